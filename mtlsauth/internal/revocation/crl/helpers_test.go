package crl_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"math/big"
	"strconv"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/crl"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func read(t testing.TB, der []byte) *crl.List {
	t.Helper()
	l, err := crl.Read(bytes.NewReader(der), crl.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func target(t testing.TB, cert, issuer *pki.Certificate) *crl.Target {
	t.Helper()
	out, err := crl.NewTarget(cert.Read(), issuer.Read())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// flawOf returns the kind of what kept a list from being read, or of its flaw.
func flawOf(l *crl.List, err error) string {
	if err == nil && l.Flaw != nil {
		err = l.Flaw
	}
	return kindOf(err)
}

var kindNames = map[crl.Kind]string{
	crl.Malformed: "malformed", crl.Version: "version", crl.TooLarge: "too_large", crl.Critical: "critical_extension",
	crl.WeakAlgorithm: "weak_algorithm", crl.WrongIssuer: "wrong_issuer", crl.WrongScope: "wrong_scope", crl.BadSignature: "bad_signature",
	crl.Unauthorized: "unauthorized", crl.Incomplete: "incomplete", crl.NotYetValid: "not_yet_valid", crl.Stale: "stale",
}

// kindOf returns "" for no error, and the text of one that is not a *crl.Error.
func kindOf(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*crl.Error](err); ok {
		return kindNames[e.Kind]
	}
	return err.Error()
}

// verdict says in a word or two what Judge returned.
func verdict(out crl.Outcome, err error) string {
	switch {
	case err != nil && out != (crl.Outcome{}):
		return "an outcome with an error"
	case err != nil:
		return kindOf(err)
	case out.Revoked:
		text := "revoked"
		if out.Hold {
			text = "hold"
		}
		if out.Flaw != nil {
			text += ", " + kindNames[out.Flaw.Kind]
		}
		return text
	case out.Hold || out.Flaw != nil || out.Reason != 0:
		return "not revoked, but hold, flawed or for a reason"
	case out.Reasons == crl.AllReasons:
		return "good"
	}
	return "good for some reasons"
}

// signers offers certificates by their name.
func signers(certs ...*pki.Certificate) func([]byte, func(*certificate.Certificate) bool) []*certificate.Certificate {
	return func(name []byte, signed func(*certificate.Certificate) bool) []*certificate.Certificate {
		var out []*certificate.Certificate
		for _, c := range certs {
			if bytes.Equal(c.RawSubject, name) && signed(c.Read()) {
				out = append(out, c.Read())
			}
		}
		return out
	}
}

// contentOf returns the content octets of an INTEGER.
func contentOf(n *big.Int) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1BigInt(n)
	s := cryptobyte.String(b.BytesOrPanic())
	var content cryptobyte.String
	s.ReadASN1(&content, asn1.INTEGER)
	return content
}

// now is when the lists of package pkitest are good.
func now() time.Time { return time.Now() }

func bigOf(content []byte) *big.Int { return new(big.Int).SetBytes(content) }

// named is a certificate of which only the name is of use.
func named(name string) *pki.Certificate {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(relativeName(name)) })
	})
	return &pki.Certificate{Certificate: &x509.Certificate{RawSubject: b.BytesOrPanic()}}
}

var names int

// randomName returns another name each time.
func randomName() string {
	names++
	return "issuer " + strconv.Itoa(names)
}

//go:build !race

// The race detector slows some arithmetic more than other, so there is nothing
// to hold the time against.

package certpath_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/cputime"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// costOf is the CPU time of f. With -short f runs once and its verdict alone counts.
func costOf(f func()) time.Duration {
	if testing.Short() {
		f()
		return 0
	}
	return cputime.Of(f)
}

// limit is the CPU time that one validation may take: 10 ms, and in proportion more
// on a machine that is slower at the time, by what one P-256 check takes.
func limit(t testing.TB) time.Duration {
	t.Helper()
	if testing.Short() {
		return 10 * time.Millisecond
	}
	const idle = 67 * time.Microsecond
	ca := pki.NewCA("ca")
	check := cputime.Of(func() {
		if err := ca.CheckSignatureFrom(ca.Certificate); err != nil {
			t.Fatal(err)
		}
	})
	return 10 * time.Millisecond * max(check, idle) / idle
}

// bogusRSA returns a certificate with an RSA key of so many bits and this
// exponent put in, whose private key is not known.
func bogusRSA(t testing.TB, cert *certificate.Certificate, bits, exponent int, seed int64) *certificate.Certificate {
	t.Helper()
	// No small factor, or the key is refused before it is used.
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits))
	n.Sub(n, big.NewInt(10_000*seed+1))
	for new(big.Int).GCD(nil, nil, new(big.Int).MulRange(1, 751), n).Cmp(big.NewInt(1)) != 0 {
		n.Sub(n, big.NewInt(2))
	}
	spki, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: exponent})
	if err != nil {
		t.Fatal(err)
	}
	return rebuild(t, cert, func(tbs []byte) []byte { return bytes.Replace(tbs, cert.RawSubjectPublicKeyInfo, spki, 1) }, nil)
}

// rebuild changes the signed part of a certificate and its signature, which no
// longer fits afterwards.
func rebuild(t testing.TB, cert *certificate.Certificate, tbs func([]byte) []byte, signature []byte) *certificate.Certificate {
	t.Helper()
	var parts struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}
	if _, err := asn1.Unmarshal(cert.Raw, &parts); err != nil {
		t.Fatal(err)
	}
	if signature == nil {
		signature = parts.Signature.Bytes
	}
	bits, err := asn1.Marshal(asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)})
	if err != nil {
		t.Fatal(err)
	}
	out, err := certificate.Parse(sequence(sequence(tbs(parts.TBS.Bytes)), parts.Algorithm.FullBytes, bits))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// rsaSigned has the leaf carry an RSA signature of so many bytes, below the
// modulus, so that a check goes all the way.
func rsaSigned(t testing.TB, leaf *certificate.Certificate, size int) *certificate.Certificate {
	return rebuild(t, leaf, func(tbs []byte) []byte { return tbs }, append([]byte{0}, bytes.Repeat([]byte{0x5a}, size-1)...))
}

func TestCostIsBounded(t *testing.T) {
	anchors := map[string]*pki.Certificate{
		"P-256": pki.NewCA("root"), "P-521": pki.NewCA("root", curve(elliptic.P521())),
	}
	signer := pki.NewCA("signer", rsaKey(2048))
	for anchorName, root := range anchors {
		trust := certpath.NewTrust([]*certificate.Certificate{read(root)}, certpath.TrustOptions{})
		bogus := func(issuer *pki.Certificate, name string, bits, exponent, count int) (out []*certificate.Certificate) {
			for i := range count {
				out = append(out, bogusRSA(t, read(issuer.Intermediate(name)), bits, exponent, int64(i)))
			}
			return out
		}
		leafOf := func(name string, bits int) *certificate.Certificate {
			parent := &pki.Certificate{Certificate: &x509.Certificate{Raw: []byte{0}}, Key: signer.Key}
			*parent.Certificate = *signer.Certificate
			parent.Certificate.RawSubject, parent.Certificate.Subject.CommonName = nil, name
			return rsaSigned(t, read(parent.Client("leaf")), bits/8)
		}
		self := pki.NewCA("ca")
		for _, test := range []struct {
			name      string
			leaf      *certificate.Certificate
			presented []*certificate.Certificate
			want      string
		}{
			{"RSA key of 190,000 bits", leafOf("ca", 190000), bogus(root, "ca", 190000, 65537, 1), "weak_algorithm"},
			{"ten RSA 4096", leafOf("ca", 4096), bogus(root, "ca", 4096, 65537, 10), "bad_signature"},
			{"ten RSA 8192 with a long exponent", leafOf("ca", 8192), bogus(root, "ca", 8192, 1<<31-1, 10), "too_costly"},
			{"ten RSA 8192 that name each other", leafOf("ca", 8192), bogus(self, "ca", 8192, 1<<31-1, 10), "too_costly"},
			{"ten RSA 2048 that name each other", leafOf("ca", 2048), bogus(self, "ca", 2048, 65537, 10), "bad_signature"},
		} {
			var err error
			took := costOf(func() { _, err = trust.Validate(test.leaf, test.presented, certpath.Options{Now: now}) })
			if got := kindOf(err); got != test.want {
				t.Errorf("%s below %s: got %v, want %s", test.name, anchorName, err, test.want)
			}
			t.Logf("%s below %s: %v, %s", test.name, anchorName, took, kindOf(err))
			if took > limit(t) {
				t.Errorf("%s below %s: took %v", test.name, anchorName, took)
			}
		}
	}
}

// TestCostOfAConfiguredKey: a configured key of that size is not used either,
// not even to see whether its certificate is self-signed.
func TestCostOfAConfiguredKey(t *testing.T) {
	const bits = 190000
	ca := pki.NewCA("ca", rsaKey(2048))
	huge := rsaSigned(t, bogusRSA(t, read(ca), bits, 65537, 0), bits/8)
	leaf := rsaSigned(t, read(ca.Client("leaf")), bits/8)
	var err error
	took := costOf(func() {
		trust := certpath.NewTrust([]*certificate.Certificate{huge}, certpath.TrustOptions{AllowPartialChain: true})
		_, err = trust.Validate(leaf, nil, certpath.Options{Now: now})
	})
	if kindOf(err) != "weak_algorithm" || took > limit(t) {
		t.Errorf("took %v, %v", took, err)
	}
}

// TestCostOfOneName: certificates of the issuer's name, on the curve whose checks
// are the most expensive, with nothing but the signature to tell them apart.
func TestCostOfOneName(t *testing.T) {
	most := limit(t)
	var cas, sent [][]byte
	root := newParty("root", newECDSA(elliptic.P521()))
	var last *party
	for range 100 {
		last = newParty("ca", newECDSA(elliptic.P521()))
		cas = append(cas, caBy(last, last).sign(last.signer))
	}
	for range 10 {
		sent = append(sent, caBy(root, newParty("ca", newECDSA(elliptic.P521()))).sign(root.signer))
	}
	many := certpath.NewTrust(parseEach(cas), certpath.TrustOptions{})
	one := certpath.NewTrust(parseEach([][]byte{caBy(root, root).sign(root.signer)}), certpath.TrustOptions{})
	by := func(ca *party) *certificate.Certificate {
		leaf, err := parse(clientBy(ca, newParty("leaf", p256())).sign(ca.signer))
		if err != nil {
			t.Fatal(err)
		}
		return leaf
	}
	for _, test := range []struct {
		name      string
		trust     *certpath.Trust
		leaf      *certificate.Certificate
		presented []*certificate.Certificate
		want      string
	}{
		{"the last of 100 configured", many, by(last), nil, ""},
		{"none of 100 configured, signed by P-256", many, by(newParty("ca", p256())), nil, "bad_signature"},
		{"none of 100 configured", many, by(newParty("ca", newECDSA(elliptic.P521()))), nil, "bad_signature"},
		{"none of ten sent", one, by(last), parseEach(sent), "bad_signature"},
		{"none of 110", many, by(newParty("ca", newECDSA(elliptic.P521()))), parseEach(sent), "bad_signature"},
	} {
		var err error
		took := costOf(func() { _, err = test.trust.Validate(test.leaf, test.presented, certpath.Options{Now: now}) })
		t.Logf("%s: %v, %v", test.name, took, err)
		if got := ""; err != nil {
			if got = kindOf(err); got != test.want {
				t.Errorf("%s: got %v, want %q", test.name, err, test.want)
			}
		} else if test.want != "" {
			t.Errorf("%s: accepted", test.name)
		}
		if took > most {
			t.Errorf("%s: took %v", test.name, took)
		}
	}
}

// TestCostOfGoodSignatures: a client that holds a CA's key can make signatures
// that are good, as far as the root that it made up.
func TestCostOfGoodSignatures(t *testing.T) {
	most := limit(t)
	for _, key := range []struct {
		name   string
		option pki.Option
	}{{"P-521", curve(elliptic.P521())}, {"RSA 2048", rsaKey(2048)}} {
		ca := pki.NewCA("ca", key.option)
		var presented []*certificate.Certificate
		for i := range 10 {
			// One name, one key: each signs each. A SAN of its own keeps
			// crypto/x509 from seeing a loop.
			presented = append(presented, read(ca.Intermediate("ca", key.option, pki.DNS(fmt.Sprintf("%d.org", i)))))
		}
		leaf := read(ca.Client("leaf"))
		trust := certpath.NewTrust([]*certificate.Certificate{read(pki.NewCA("ca"))}, certpath.TrustOptions{})
		var err error
		took := costOf(func() { _, err = trust.Validate(leaf, presented, certpath.Options{Now: now}) })
		t.Logf("%s: %v, %s", key.name, took, kindOf(err))
		if err == nil || took > most {
			t.Errorf("%s: took %v, %v", key.name, took, err)
		}
	}
}

// TestTraceOfWhatCostsTooMuch: a candidate that the budget does not suffice for is told of
// as such.
func TestTraceOfWhatCostsTooMuch(t *testing.T) {
	ca := pki.NewCA("ca")
	var cas []*certificate.Certificate
	for i := range 5 {
		cas = append(cas, bogusRSA(t, read(ca.Intermediate("ca")), 8192, 1<<31-1, int64(i)))
	}
	signer := pki.NewCA("ca", pki.Key(rsaSigner(2048, 0)))
	leaf := rsaSigned(t, read(signer.Client("leaf")), 8192/8)
	kinds := map[string]int{}
	_, err := certpath.NewTrust(cas, certpath.TrustOptions{}).Validate(leaf, nil, certpath.Options{Now: now, Trace: func(s certpath.Step) {
		if s.Check == certpath.SignatureCheck && s.Err != nil {
			kinds[s.Err.Kind.String()]++
		}
	}})
	if kindOf(err) != "too_costly" || kinds["bad_signature"] != 3 || kinds["too_costly"] != 2 {
		t.Errorf("got %v, signatures %v", err, kinds)
	}
}

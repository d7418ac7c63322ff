package crl_test

import (
	"crypto/x509"
	"math/big"
	"sync"
	"testing"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/crl"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// TestSigners has lists signed by a certificate of the issuer's name that is
// not the issuer's certificate.
func TestSigners(t *testing.T) {
	root := pki.NewCA("root")
	ca := root.Intermediate("ca")
	usage := func(u x509.KeyUsage) pki.Option {
		return pki.With(func(c *x509.Certificate) { c.KeyUsage = u })
	}
	client := ca.Client("client")
	for _, c := range []struct {
		name   string
		signer *pki.Certificate
		want   string
	}{
		{"a new key of the CA", root.Intermediate("ca"), "good"},
		{"a CA without key usage", root.Intermediate("ca", usage(0)), "good"},
		{"for CRLs alone, no CA", root.Client("ca", usage(x509.KeyUsageCRLSign)), "good"},
		{"no cRLSign", root.Intermediate("ca", usage(x509.KeyUsageCertSign)), "unauthorized"},
		{"a client's of that name", root.Client("ca"), "unauthorized"},
		{"a client's without key usage", root.Client("ca", usage(0)), "unauthorized"},
		{"weak", root.Intermediate("ca", pki.RSA(1024)), "weak_algorithm"},
		{"of another name", root.Intermediate("other"), "bad_signature"},
	} {
		l := read(t, pki.CRL{Issuer: ca, Signer: c.signer, NoKeyID: true}.DER())
		of := target(t, client, ca)
		if got := verdict(of.Judge(l, crl.JudgeOptions{Now: now()})); got != "bad_signature" {
			t.Errorf("%s: without Signers got %s", c.name, got)
		}
		out, err := of.Judge(l, crl.JudgeOptions{Now: now(), Signers: signers(c.signer)})
		if got := verdict(out, err); got != c.want {
			t.Errorf("%s: got %s (%v), want %s", c.name, got, err, c.want)
		}
		if err == nil && out.Signer != c.signer.Read() {
			t.Errorf("%s: got signer %v", c.name, out.Signer)
		}
	}
}

// TestSignersAreAskedOnlyWhenNeeded counts.
func TestSignersAreAskedOnlyWhenNeeded(t *testing.T) {
	ca := pki.NewCA("ca")
	next := pki.NewCA("ca")
	of := target(t, ca.Client("client"), ca)
	asked := 0
	ask := func(name []byte, signed func(*certificate.Certificate) bool) []*certificate.Certificate {
		asked++
		return signers(next)(name, signed)
	}
	if got := verdict(of.Judge(read(t, pki.CRL{Issuer: ca}.DER()), crl.JudgeOptions{Now: now(), Signers: ask})); got != "good" || asked != 0 {
		t.Errorf("own list: got %s, asked %d times", got, asked)
	}
	if got := verdict(of.Judge(read(t, pki.CRL{Issuer: ca, Signer: next}.DER()), crl.JudgeOptions{Now: now(), Signers: ask})); got != "good" || asked != 1 {
		t.Errorf("list of the next key: got %s, asked %d times", got, asked)
	}
	if got := verdict(of.Judge(read(t, pki.CRL{Issuer: pki.NewCA("x")}.DER()), crl.JudgeOptions{Now: now(), Signers: ask})); got != "wrong_issuer" || asked != 1 {
		t.Errorf("list of another: got %s, asked %d times", got, asked)
	}
}

// TestSignersAreBounded puts the right one last, within the bound and after it.
func TestSignersAreBounded(t *testing.T) {
	ca, next := pki.NewCA("ca"), pki.NewCA("ca")
	of := target(t, ca.Client("client"), ca)
	l := read(t, pki.CRL{Issuer: ca, Signer: next, NoKeyID: true}.DER())
	wrong := other(ca)
	for before, want := range map[int]string{31: "good", 32: "bad_signature"} {
		all := make([]*certificate.Certificate, before, before+1)
		for i := range all {
			all[i] = wrong
		}
		all = append(all, next.Read())
		if got := verdict(of.Judge(l, crl.JudgeOptions{Now: now(), Signers: func([]byte, func(*certificate.Certificate) bool) []*certificate.Certificate { return all }})); got != want {
			t.Errorf("%d before it: got %s, want %s", before, got, want)
		}
	}
}

// TestVerifyRemembers: the key is not used a second time, be it right or
// wrong, and what is remembered is bound to the key.
func TestVerifyRemembers(t *testing.T) {
	ca := pki.NewCA("ca", pki.RSA(2048))
	l := read(t, pki.CRL{Issuer: ca, NoKeyID: true}.DER())
	wrong := make([]*certificate.Certificate, 40)
	for i := range wrong {
		wrong[i] = other(ca)
	}
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 3 {
				for _, w := range wrong {
					if kindOf(l.Verify(w, 0)) != "bad_signature" {
						t.Error("another key verifies")
					}
				}
				if err := l.Verify(ca.Read(), 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	// A certificate with the bytes of one key and another one to verify with:
	// nothing that a parser returns.
	swapped := *wrong[0]
	swapped.RawSubjectPublicKeyInfo = nil
	swapped.PublicKey = ca.PublicKey
	if err := l.Verify(&swapped, 0); err == nil {
		t.Error("a key that cannot be told from others verifies")
	}
	signer := ca.Read()
	if allocs := testing.AllocsPerRun(100, func() {
		if l.Verify(signer, 0) != nil {
			t.Error("it does not verify any more")
		}
	}); allocs != 0 {
		t.Errorf("%v allocations for what is remembered", allocs)
	}
}

// TestVerifyAsksForTheName: the key alone is not enough.
func TestVerifyAsksForTheName(t *testing.T) {
	ca := pki.NewCA("ca")
	l := read(t, pki.CRL{Issuer: ca}.DER())
	renamed := pki.NewCA("renamed", pki.Key(ca.Key))
	if err := l.Verify(renamed.Read(), 0); kindOf(err) != "wrong_issuer" {
		t.Errorf("got %v", err)
	}
}

// TestNewTarget refuses what is not of its issuer, and serial numbers as x509
// does.
func TestNewTarget(t *testing.T) {
	ca, stranger := pki.NewCA("ca"), pki.NewCA("stranger")
	if of, err := crl.NewTarget(ca.Client("c").Read(), stranger.Read()); kindOf(err) != "wrong_issuer" || of != nil {
		t.Errorf("got %v", err)
	}
	for _, serial := range []*big.Int{big.NewInt(1), big.NewInt(127), big.NewInt(128), big.NewInt(255), big.NewInt(256), new(big.Int).Lsh(big.NewInt(0xff), 152)} {
		cert := ca.Client("c", pki.With(func(c *x509.Certificate) { c.SerialNumber = serial }))
		l := read(t, pki.CRL{Issuer: ca, Entries: pki.Revoked(cert)}.DER())
		if got := verdict(target(t, cert, ca).Judge(l, crl.JudgeOptions{Now: now()})); got != "revoked" {
			t.Errorf("serial %x: got %s", serial, got)
		}
	}
}

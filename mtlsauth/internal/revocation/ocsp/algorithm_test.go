package ocsp_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"testing"

	"mtls-auth/mtlsauth/internal/revocation/ocsp"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func TestAlgorithms(t *testing.T) {
	rsaKey := pki.RSA(2048)
	_, edKey, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name      string
		key       pki.Option
		hash      crypto.Hash
		pss       bool
		allowSHA1 bool
		minBits   int
		want      string
	}{
		{"RSA", rsaKey, 0, false, false, 0, "good"},
		{"RSA, SHA-512", rsaKey, crypto.SHA512, false, false, 0, "good"},
		{"RSA-PSS", rsaKey, 0, true, false, 0, "good"},
		{"RSA, SHA-1", rsaKey, crypto.SHA1, false, false, 0, "weak_algorithm"},
		{"RSA, SHA-1, allowed", rsaKey, crypto.SHA1, false, true, 0, "good"},
		{"RSA of 2048 bits where 3072 are asked for", rsaKey, 0, false, false, 3072, "weak_algorithm"},
		{"ECDSA, SHA-384", usage(x509.KeyUsageCertSign), crypto.SHA384, false, false, 0, "good"},
		{"ECDSA, SHA-1", usage(x509.KeyUsageCertSign), crypto.SHA1, false, false, 0, "weak_algorithm"},
		{"Ed25519", pki.Key(edKey), 0, false, false, 0, "good"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := world{ca: pki.NewCA("ca", c.key)}
			w.client = w.ca.Client("client")
			w.responderOptions, w.allowSHA1 = ocsp.Options{Now: now, MinRSABits: c.minBits}, c.allowSHA1
			r := w.response(pki.OCSPGood)
			r.Hash, r.PSS = c.hash, c.pss
			answer, err := w.judge(t, r)
			wantVerdict(t, answer, err, c.want)
			if err != nil {
				return
			}
			r.CorruptSignature = true
			answer, err = w.judge(t, r)
			wantVerdict(t, answer, err, "bad_signature")
		})
	}
}

// TestWeakIssuer: a key that proves nothing does not authorize a strong one.
func TestWeakIssuer(t *testing.T) {
	w := world{ca: pki.NewCA("ca", pki.RSA(1024)), responderOptions: ocsp.Options{Now: now}}
	w.client = w.ca.Client("client")
	for _, signer := range []*pki.Certificate{w.ca, w.ca.OCSPSigner("delegate")} {
		answer, err := w.judge(t, w.delegated(signer))
		wantVerdict(t, answer, err, "weak_algorithm")
	}
}

// TestDelegateSignedWithSHA1: crypto/x509 can still make such a certificate for
// an RSA key.
func TestDelegateSignedWithSHA1(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	w := world{ca: pki.NewCA("ca", pki.Key(key))}
	w.client = w.ca.Client("client")
	sha1 := w.ca.OCSPSigner("delegate", pki.With(func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA }))
	for allowed, want := range map[bool]string{false: "weak_algorithm", true: "good"} {
		w.responderOptions, w.allowSHA1 = ocsp.Options{Now: now}, allowed
		answer, err := w.judge(t, w.delegated(sha1))
		wantVerdict(t, answer, err, want)
	}
}

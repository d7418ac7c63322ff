package signature_test

import (
	"bytes"
	"crypto"
	"crypto/dsa" //lint:ignore SA1019 a kind of key that has to be refused
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"testing"

	"mtls-auth/mtlsauth/internal/signature"
)

// TestVerify reads and verifies what crypto/x509 signs, and nothing else: not
// with another key of that kind, one of another kind, another message or
// another signature.
func TestVerify(t *testing.T) {
	rsa2048, rsaOther := rsaKey(t, 2048), rsaKey(t, 2048)
	p256, p256Other, p384, p521 := ecdsaKey(t, elliptic.P256()), ecdsaKey(t, elliptic.P256()), ecdsaKey(t, elliptic.P384()), ecdsaKey(t, elliptic.P521())
	ed, edOther := ed25519Key(t), ed25519Key(t)
	others := []crypto.PublicKey{rsaOther.Public(), p256Other.Public(), p384.Public(), edOther.Public(), &dsa.PublicKey{}, nil}

	for _, c := range []struct {
		x509     x509.SignatureAlgorithm
		key      crypto.Signer
		name     string
		hash     crypto.Hash
		insecure bool
	}{
		{x509.SHA1WithRSA, rsa2048, "RSA with SHA-1", crypto.SHA1, true},
		{x509.SHA256WithRSA, rsa2048, "RSA with SHA-256", crypto.SHA256, false},
		{x509.SHA384WithRSA, rsa2048, "RSA with SHA-384", crypto.SHA384, false},
		{x509.SHA512WithRSA, rsa2048, "RSA with SHA-512", crypto.SHA512, false},
		{x509.SHA256WithRSAPSS, rsa2048, "RSA-PSS with SHA-256", crypto.SHA256, false},
		{x509.SHA384WithRSAPSS, rsa2048, "RSA-PSS with SHA-384", crypto.SHA384, false},
		{x509.SHA512WithRSAPSS, rsa2048, "RSA-PSS with SHA-512", crypto.SHA512, false},
		{x509.ECDSAWithSHA1, p256, "ECDSA with SHA-1", crypto.SHA1, true},
		{x509.ECDSAWithSHA256, p256, "ECDSA with SHA-256", crypto.SHA256, false},
		{x509.ECDSAWithSHA384, p256, "ECDSA with SHA-384", crypto.SHA384, false},
		{x509.ECDSAWithSHA512, p521, "ECDSA with SHA-512", crypto.SHA512, false},
		{x509.PureEd25519, ed, "Ed25519", 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := certificate(t, c.key, c.x509)
			a, err := signature.Parse(s.identifier)
			if err != nil {
				t.Fatal(err)
			}
			if a.String() != c.name || a.Hash() != c.hash || a.Insecure() != c.insecure {
				t.Errorf("got %q, %v, insecure %v", a, a.Hash(), a.Insecure())
			}
			if err := a.VerifyMessage(c.key.Public(), s.message, s.signature); err != nil {
				t.Errorf("VerifyMessage: %v", err)
			}
			digest := s.message
			if c.hash != 0 {
				h := c.hash.New()
				h.Write(s.message)
				digest = h.Sum(nil)
			}
			if err := a.Verify(c.key.Public(), digest, s.signature); err != nil {
				t.Errorf("Verify: %v", err)
			}

			refused := func(what string, key crypto.PublicKey, message, sig []byte) {
				t.Helper()
				if err := a.VerifyMessage(key, message, sig); !errors.Is(err, signature.ErrMismatch) {
					t.Errorf("%s: got %v, want ErrMismatch", what, err)
				}
			}
			for _, other := range others {
				refused("another key", other, s.message, s.signature)
			}
			flipped := bytes.Clone(s.message)
			flipped[len(flipped)/2] ^= 1
			refused("another message", c.key.Public(), flipped, s.signature)
			refused("no message", c.key.Public(), nil, s.signature)
			flipped = bytes.Clone(s.signature)
			flipped[len(flipped)-1] ^= 1
			refused("another signature", c.key.Public(), s.message, flipped)
			refused("no signature", c.key.Public(), s.message, nil)
			refused("a longer signature", c.key.Public(), s.message, append(bytes.Clone(s.signature), 0))
			refused("a shorter signature", c.key.Public(), s.message, s.signature[:len(s.signature)-1])
			if c.hash != 0 {
				if err := a.Verify(c.key.Public(), digest[:len(digest)-1], s.signature); err == nil {
					t.Error("a shorter digest verifies")
				}
			}
		})
	}
}

// TestOtherAlgorithm: a signature is good by the algorithm it was made with.
func TestOtherAlgorithm(t *testing.T) {
	key := rsaKey(t, 2048)
	var all []signed
	for _, a := range []x509.SignatureAlgorithm{
		x509.SHA1WithRSA, x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
	} {
		all = append(all, certificate(t, key, a))
	}
	for i, one := range all {
		for j, other := range all {
			a, err := signature.Parse(other.identifier)
			if err != nil {
				t.Fatal(err)
			}
			if err := a.VerifyMessage(key.Public(), one.message, one.signature); (err == nil) != (i == j) {
				t.Errorf("signature %d by algorithm %d: %v", i, j, err)
			}
		}
	}
}

// TestAlgorithmOfAnotherKind: a signature that would verify by the key alone
// does not under the name of another kind.
func TestAlgorithmOfAnotherKind(t *testing.T) {
	s := certificate(t, rsaKey(t, 2048), x509.SHA256WithRSA)
	a, err := signature.Parse(s.identifier)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []crypto.Signer{ecdsaKey(t, elliptic.P256()), ed25519Key(t)} {
		other := certificate(t, key, 0)
		if err := a.VerifyMessage(key.Public(), other.message, other.signature); !errors.Is(err, signature.ErrMismatch) {
			t.Errorf("%T: got %v", key, err)
		}
	}
}

func TestZeroAlgorithm(t *testing.T) {
	var zero signature.Algorithm
	for _, key := range []crypto.Signer{rsaKey(t, 2048), ecdsaKey(t, elliptic.P256()), ed25519Key(t)} {
		s := certificate(t, key, 0)
		for name, err := range map[string]error{
			"VerifyMessage": zero.VerifyMessage(key.Public(), s.message, s.signature),
			"Verify":        zero.Verify(key.Public(), s.message, s.signature),
		} {
			if !errors.Is(err, signature.ErrMismatch) {
				t.Errorf("%s with %T: got %v", name, key, err)
			}
		}
	}
	if got := zero.String(); got != "none" {
		t.Errorf("got %q", got)
	}
}

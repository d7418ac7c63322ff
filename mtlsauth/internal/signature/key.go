package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
)

const (
	// DefaultMinRSABits is NIST SP 800-57's 112 bits of security.
	DefaultMinRSABits = 2048

	// MaxRSABits bounds the keys that signatures are checked with: the cost
	// grows with the square, and no CA uses larger ones.
	MaxRSABits = 8192
)

// CheckKey refuses keys that are too weak or of a kind that signatures are not
// verified with: anything but RSA of at least minRSABits (0 means
// DefaultMinRSABits), ECDSA on P-256, P-384 and P-521, and Ed25519. Its error
// names what it was.
//
// An RSA key that more than its holder can sign with is weak at any size: an
// exponent below 3 or even, a modulus that is even or has a factor below 752
// (CA/B Forum Baseline Requirements, section 6.1.6).
func CheckKey(key crypto.PublicKey, minRSABits int) error {
	if minRSABits == 0 {
		minRSABits = DefaultMinRSABits
	}
	if key, ok := RSA(key); ok {
		return checkRSA(key, minRSABits)
	}
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return nil
		}
		return errors.New("elliptic curve " + key.Curve.Params().Name + " is not supported")
	case ed25519.PublicKey:
		return nil
	case UnsupportedKey:
		return fmt.Errorf("public key is not supported: %s", string(key))
	}
	return errors.New("public key is not supported")
}

func checkRSA(key *rsa.PublicKey, minBits int) error {
	switch n := key.N.BitLen(); {
	case n < minBits:
		return fmt.Errorf("RSA key of %d bits, at least %d are required", n, minBits)
	case key.E < 3 || key.E%2 == 0:
		return fmt.Errorf("RSA key with exponent %d, which must be odd and at least 3", key.E)
	case hasSmallFactor(key.N):
		return errors.New("RSA key whose modulus has a factor below 752")
	}
	return nil
}

// CheckIssuerKey is CheckKey for a key that verifies signatures: RSA over
// MaxRSABits is refused as well, before anything is computed with it.
func CheckIssuerKey(key crypto.PublicKey, minRSABits int) error {
	if key, ok := RSA(key); ok && key.N.BitLen() > MaxRSABits {
		return fmt.Errorf("RSA key of %d bits, at most %d are accepted", key.N.BitLen(), MaxRSABits)
	}
	return CheckKey(key, minRSABits)
}

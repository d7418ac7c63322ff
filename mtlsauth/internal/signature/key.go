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
// DefaultMinRSABits), ECDSA on P-256, P-384 and P-521, and Ed25519.
func CheckKey(key crypto.PublicKey, minRSABits int) error {
	if minRSABits == 0 {
		minRSABits = DefaultMinRSABits
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n < minRSABits {
			return fmt.Errorf("RSA key of %d bits, at least %d are required", n, minRSABits)
		}
		return nil
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return nil
		}
		return errors.New("elliptic curve " + key.Curve.Params().Name + " is not accepted")
	case ed25519.PublicKey:
		return nil
	}
	return errors.New("public key algorithm is not supported")
}

// CheckIssuerKey is CheckKey for a key that verifies signatures: RSA over
// MaxRSABits is refused as well.
func CheckIssuerKey(key crypto.PublicKey, minRSABits int) error {
	if key, ok := key.(*rsa.PublicKey); ok && key.N.BitLen() > MaxRSABits {
		return fmt.Errorf("RSA key of %d bits, at most %d are accepted", key.N.BitLen(), MaxRSABits)
	}
	return CheckKey(key, minRSABits)
}

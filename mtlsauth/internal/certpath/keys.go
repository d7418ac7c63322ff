package certpath

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"fmt"
	"math/bits"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/signature"
)

// Costs of one signature check, in thousandths of one on P-256.
const (
	costP256    = 1_000
	costP384    = 9_000
	costP521    = 26_000
	costEd25519 = 750

	// costRecover is that of recoverKeys, in halves of a check on the curve.
	costRecover = 3

	// bytesPerCost is how many bytes of a certificate cost 1 to read.
	bytesPerCost = 2
)

// checkKey refuses keys that are too weak or of a kind that is not verified
// with, by signature's CheckKey or CheckIssuerKey.
func checkKey(cert *certificate.Certificate, minRSABits int, check func(crypto.PublicKey, int) error) *Error {
	return because(WeakAlgorithm, cert, check(cert.PublicKey, minRSABits))
}

// checkOddSize refuses RSA keys whose size is not a whole number of bytes, which
// no sound generator makes (CA/B Forum Baseline Requirements, section 6.1.5).
// It is not asked of configured certificates.
func checkOddSize(cert *certificate.Certificate) *Error {
	if key, ok := signature.RSA(cert.PublicKey); ok && key.N.BitLen()%8 != 0 {
		return refuse(WeakAlgorithm, cert, fmt.Sprintf("RSA key of %d bits, which is not a multiple of 8", key.N.BitLen()))
	}
	return nil
}

// checkCost is what one signature check with a key costs. For RSA the exponent
// counts as well: who makes the key chooses it.
func checkCost(key crypto.PublicKey) int {
	if key, ok := signature.RSA(key); ok {
		const setUp = 10 // multiplications' worth
		words, e := (key.N.BitLen()+63)/64, uint(key.E)
		return words * words * (bits.Len(e) + bits.OnesCount(e) + setUp) / 28
	}
	if key, ok := key.(*ecdsa.PublicKey); ok {
		switch key.Curve {
		case elliptic.P256():
			return costP256
		case elliptic.P384():
			return costP384
		}
		return costP521
	}
	return costEd25519
}

// checkAlgorithm refuses signatures that prove nothing any more, or are of a
// kind that is not verified.
func checkAlgorithm(cert *certificate.Certificate) (signature.Algorithm, *Error) {
	a, err := cert.SignatureAlgorithm()
	if a.Insecure() {
		err = fmt.Errorf("signature algorithm %v is not accepted", a)
	}
	return a, because(WeakAlgorithm, cert, err)
}

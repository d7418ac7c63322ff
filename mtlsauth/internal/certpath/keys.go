package certpath

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math/bits"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

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
// with.
func checkKey(cert *x509.Certificate, minRSABits int) *Error {
	if err := signature.CheckKey(cert.PublicKey, minRSABits); err != nil {
		return &Error{Kind: WeakAlgorithm, Certificate: cert, Err: err}
	}
	return nil
}

// checkIssuerKey is checkKey for a certificate whose key verifies others.
func checkIssuerKey(cert *x509.Certificate, minRSABits int) *Error {
	if err := signature.CheckIssuerKey(cert.PublicKey, minRSABits); err != nil {
		return &Error{Kind: WeakAlgorithm, Certificate: cert, Err: err}
	}
	return nil
}

// checkOddSize refuses RSA keys whose size is no whole number of bytes, which
// no sound generator makes (CA/B Forum Baseline Requirements, section 6.1.5).
// It is not asked of configured certificates.
func checkOddSize(cert *x509.Certificate) *Error {
	if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen()%8 != 0 {
		return refuse(WeakAlgorithm, cert, fmt.Sprintf("RSA key of %d bits, which is no multiple of 8", key.N.BitLen()))
	}
	return nil
}

// checkCost is what one signature check with a key costs. For RSA the exponent
// counts as well: who makes the key chooses it.
func checkCost(key any) int {
	switch key := key.(type) {
	case *rsa.PublicKey:
		const setUp = 10 // multiplications' worth
		words, e := (key.N.BitLen()+63)/64, uint(key.E)
		return words * words * (bits.Len(e) + bits.OnesCount(e) + setUp) / 28
	case *ecdsa.PublicKey:
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
func checkAlgorithm(cert *x509.Certificate) (signature.Algorithm, *Error) {
	input := cryptobyte.String(cert.Raw)
	var outer, tbs, identifier cryptobyte.String
	if !input.ReadASN1(&outer, asn1.SEQUENCE) || !outer.ReadASN1Element(&tbs, asn1.SEQUENCE) || !outer.ReadASN1Element(&identifier, asn1.SEQUENCE) {
		return signature.Algorithm{}, refuse(WeakAlgorithm, cert, "no signature algorithm")
	}
	a, err := signature.Parse(identifier)
	if err == nil && a.Insecure() {
		err = fmt.Errorf("signature algorithm %v is not accepted", a)
	}
	if err != nil {
		return a, &Error{Kind: WeakAlgorithm, Certificate: cert, Err: err}
	}
	return a, nil
}

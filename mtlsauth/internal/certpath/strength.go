package certpath

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math/bits"

	"mtls-auth/mtlsauth/internal/signature"
)

// checkKey refuses keys that are too weak or of a kind that crypto/x509 cannot
// verify with.
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
// It is not asked of trust anchors.
func checkOddSize(cert *x509.Certificate) *Error {
	if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen()%8 != 0 {
		return refuse(WeakAlgorithm, cert, fmt.Sprintf("RSA key of %d bits, which is no multiple of 8", key.N.BitLen()))
	}
	return nil
}

// isInsecure reports signature algorithms that prove nothing any more, or that
// crypto/x509 does not know.
func isInsecure(algorithm x509.SignatureAlgorithm) bool {
	switch algorithm {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512,
		x509.PureEd25519:
		return false
	}
	return true
}

// Costs of one signature check in nanoseconds, measured with Go 1.26 on a busy
// machine of the slower kind (about 1.6 times the idle figures).
const (
	costP256     = 100_000
	costP384     = 650_000
	costP521     = 2_600_000
	costEd25519  = 60_000
	costRSAMul   = 3  // of one modular multiplication, by the square of the modulus in 64-bit words
	costRSASetup = 10 // multiplications' worth of setting the modulus up
	costPerByte  = 2  // of hashing what was signed

	costPerByteRead   = 30 // of having decoded and parsed a certificate full of names, and reading them
	costPerComparison = 20 // of a name with a constraint
)

// keyCost estimates what checking one signature with the certificate's key
// costs, in nanoseconds. For RSA the exponent counts as well: the holder of the
// key chooses it, up to 31 bits.
func keyCost(cert *x509.Certificate) int64 {
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		words := int64(key.N.BitLen()+63) / 64
		e := uint64(key.E)
		multiplications := int64(bits.Len64(e)+bits.OnesCount64(e)) + costRSASetup
		return words * words * multiplications * costRSAMul
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

// edgeCost estimates what checking child's signature with parent's key costs.
func edgeCost(child, parent *node) int64 {
	return parent.cost + costPerByte*int64(len(child.cert.RawTBSCertificate))
}

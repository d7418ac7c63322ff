package kongdata

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
)

const (
	// maxEntity bounds what is read for one CA certificate, from a file or
	// from the Admin API: far more than any certificate, little enough that
	// thousands of wrong answers cost no memory worth naming.
	maxEntity = 1 << 20

	// maxRSABits bounds the RSA keys of CA certificates: the cost of a
	// signature check grows with the square of the key, and every client may
	// cause one.
	maxRSABits = 8192

	certificateBegin = "-----BEGIN CERTIFICATE-----"
	certificateEnd   = "-----END CERTIFICATE-----"
)

// judgeCA judges the text of an entity as Kong does: exactly one certificate, and
// one with CA:TRUE. Text around it is accepted, since `openssl x509 -text` writes
// some. Dates are left to path validation: an expired anchor trusts no client, but
// which one it was is worth a better reason than "missing".
//
// It fails closed: every error is a *RefusedError.
func judgeCA(text string) Answer {
	refuse := func(reason string, args ...any) Answer {
		return Answer{Err: &RefusedError{fmt.Sprintf(reason, args...)}}
	}
	switch strings.Count(text, certificateBegin) {
	case 0:
		return refuse("it holds no PEM certificate")
	case 1:
	default:
		return refuse("it holds more than one certificate")
	}
	block, _ := pem.Decode([]byte(text[strings.Index(text, certificateBegin):]))
	if block == nil || block.Type != "CERTIFICATE" {
		return refuse("its PEM cannot be decoded")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return refuse("parsing the certificate: %v", err)
	}
	if !cert.BasicConstraintsValid || !cert.IsCA {
		return refuse("it is not a CA certificate (basic constraints lack CA:TRUE)")
	}
	if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSABits {
		return refuse("its RSA key has %d bits, must have at most %d", key.N.BitLen(), maxRSABits)
	}
	return Answer{Certificate: cert}
}

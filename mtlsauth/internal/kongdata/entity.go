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
	// ask for one.
	maxRSABits = 8192

	certificateBegin = "-----BEGIN CERTIFICATE-----"
	certificateEnd   = "-----END CERTIFICATE-----"
)

// parseCA judges the text of an entity as Kong does: exactly one certificate,
// and one with CA:TRUE. Text around it is allowed, since `openssl x509 -text`
// writes some. Dates are left to path validation: an expired anchor trusts
// nobody, but which one it was is worth a better reason than "missing".
//
// It fails closed: every error is a *RefusedError.
func parseCA(text string) (*x509.Certificate, error) {
	switch strings.Count(text, certificateBegin) {
	case 0:
		return nil, &RefusedError{"it holds no PEM certificate"}
	case 1:
	default:
		return nil, &RefusedError{"it holds more than one certificate"}
	}
	block, _ := pem.Decode([]byte(text[strings.Index(text, certificateBegin):]))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, &RefusedError{"its PEM can not be decoded"}
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, &RefusedError{fmt.Sprintf("parsing the certificate: %v", err)}
	}
	if !cert.BasicConstraintsValid || !cert.IsCA {
		return nil, &RefusedError{"it is no CA certificate (basic constraints lack CA:TRUE)"}
	}
	if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSABits {
		return nil, &RefusedError{fmt.Sprintf("its RSA key has %d bits, at most %d are allowed", key.N.BitLen(), maxRSABits)}
	}
	return cert, nil
}

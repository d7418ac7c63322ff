package kongdata

import (
	"fmt"
	"regexp"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/signature"
)

const (
	// maxEntity bounds what is read for one CA certificate, from a file or
	// from the Admin API: far more than any certificate, little enough that
	// thousands of wrong answers cost no memory worth naming.
	maxEntity = 1 << 20
)

// The lines around a certificate, whatever its label: see certificate.InBlock.
var (
	certificateBegin = regexp.MustCompile("-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----")
	certificateEnd   = regexp.MustCompile("-----END (X509 |TRUSTED )?CERTIFICATE-----")
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
	begun := certificateBegin.FindAllStringIndex(text, 2)
	switch len(begun) {
	case 0:
		return refuse("it holds no PEM certificate")
	case 2:
		return refuse("it holds more than one certificate")
	}
	block, _ := certificate.DecodePEM([]byte(text[begun[0][0]:]))
	der, ok := certificate.InBlock(block)
	if !ok {
		return refuse("its PEM cannot be decoded")
	}
	cert, err := certificate.Parse(der)
	if err != nil {
		return refuse("reading the certificate: %v", err)
	}
	if !cert.IsCA {
		return refuse("it is not a CA certificate (basic constraints lack CA:TRUE)")
	}
	if key, ok := signature.RSA(cert.PublicKey); ok && key.N.BitLen() > signature.MaxRSABits {
		return refuse("its RSA key has %d bits, must have at most %d", key.N.BitLen(), signature.MaxRSABits)
	}
	return Answer{Certificate: cert}
}

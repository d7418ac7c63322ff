package certpath_test

import (
	"crypto/x509"
	"sync"
	"testing"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

var readAlready sync.Map

// read reads a certificate, once: callers know certificates by identity.
func read(made *pki.Certificate) *certificate.Certificate {
	if cert, ok := readAlready.Load(made); ok {
		return cert.(*certificate.Certificate)
	}
	cert, err := certificate.Parse(made.Raw)
	if err != nil {
		panic(err)
	}
	readAlready.Store(made, cert)
	return cert
}

func readAll(made ...*pki.Certificate) (out []*certificate.Certificate) {
	for _, m := range made {
		out = append(out, read(m))
	}
	return out
}

func mustX509(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

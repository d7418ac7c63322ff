package certpath_test

import (
	"crypto/x509"
	"sync"
	"testing"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
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

// parse reads one certificate as the server does.
func parse(der []byte) (*certificate.Certificate, error) { return certificate.Parse(der) }

// parseEach leaves out what cannot be read, as the server does.
func parseEach(all [][]byte) (out []*certificate.Certificate) {
	for _, der := range all {
		if cert, err := parse(der); err == nil {
			out = append(out, cert)
		}
	}
	return out
}

// judgement is ours on a tuple.
type judgement struct {
	paths []certpath.Path
	err   error // nil, *certpath.Error, or that of reading the leaf
}

func judge(q tuple) judgement {
	o := certpath.Options{Now: q.at}
	if o.Now.IsZero() {
		o.Now = now
	}
	leaf, err := parse(q.leaf)
	if err != nil {
		return judgement{err: err}
	}
	trust := certpath.NewTrust(parseEach(q.configured), certpath.TrustOptions{})
	paths, err := trust.Validate(leaf, parseEach(q.presented), o)
	return judgement{paths, err}
}

package main

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// vector is a question that has one right answer: may this client in?
type vector struct {
	suite, section, name string

	leaf    []byte
	chain   [][]byte // what the client sends besides
	anchors [][]byte // CA certificates that are trusted, the issuing ones first
	crls    [][]byte // all there are; a verifier that checks status has no others
	key     crypto.Signer
	ocsp    string    // URL of a responder, "" where CRLs decide
	at      time.Time // zero: now
	valid   bool
	why     string // a reason for which the product answers otherwise on purpose
}

func (v vector) now() time.Time {
	if v.at.IsZero() {
		return time.Now()
	}
	return v.at
}

// answer is what a verifier says.
type answer int

const (
	cannot answer = iota // it cannot be asked
	accepts
	refuses
)

func saysIf(accepted bool) answer {
	if accepted {
		return accepts
	}
	return refuses
}

// right says whether it is the right answer.
func (a answer) right(v vector) bool { return a == saysIf(v.valid) }

func pemOf(kind string, ders ...[]byte) []byte {
	var text []byte
	for _, der := range ders {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	return text
}

func (v vector) pair() tls.Certificate {
	return tls.Certificate{Certificate: append([][]byte{v.leaf}, v.chain...), PrivateKey: v.key}
}

// byStdlib is crypto/x509 alone, as crypto/tls uses it: no revocation.
func byStdlib(v vector) answer {
	leaf, err := x509.ParseCertificate(v.leaf)
	if err != nil {
		return refuses
	}
	pool := func(ders [][]byte) *x509.CertPool {
		p := x509.NewCertPool()
		for _, der := range ders {
			if c, err := x509.ParseCertificate(der); err == nil {
				p.AddCert(c)
			}
		}
		return p
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots: pool(v.anchors), Intermediates: pool(v.chain), CurrentTime: v.now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return saysIf(err == nil)
}

// made is a vector of certificates that were made here.
func made(suite, section, name string, valid bool, client *pki.Certificate, anchors ...*pki.Certificate) vector {
	pair := client.TLS()
	v := vector{suite: suite, section: section, name: name, leaf: client.Raw, chain: pair.Certificate[1:], key: client.Key, valid: valid}
	for _, a := range anchors {
		v.anchors = append(v.anchors, a.Raw)
	}
	return v
}

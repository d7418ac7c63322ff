// Package pki makes certificates in memory: authorities, intermediates
// and clients, every one with a key of its own, so that no test can pass
// because two parties happen to share a key. The tests, the benchmarks and the
// demo use it; nothing that judges a certificate does.
//
// Its functions panic when crypto/x509 refuses a template: that is a mistake
// of the caller, not a condition to handle.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"sync"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
)

// Certificate is a certificate with the private key that belongs to it.
type Certificate struct {
	*x509.Certificate
	Key crypto.Signer

	issuer *Certificate // nil for a self-signed one
	read   func() *certificate.Certificate
}

// Read returns the certificate as our own reader reads it; one that was made
// here is the same at every call. It panics where the reader refuses it.
func (c *Certificate) Read() *certificate.Certificate {
	if c.read == nil { // not made here
		return parse(c.Raw)
	}
	return c.read()
}

func parse(der []byte) *certificate.Certificate {
	read, err := certificate.Parse(der)
	check(err)
	return read
}

// Option changes one thing of the good certificate that is made otherwise.
type Option func(*template)

type template struct {
	cert   x509.Certificate
	key    crypto.Signer
	public crypto.PublicKey // instead of the key's, where the private one is not had
}

// NewCA makes a self-signed CA certificate, valid from an hour ago for a day,
// with an ECDSA P-256 key.
func NewCA(name string, options ...Option) *Certificate {
	return make509(nil, caTemplate(name), options)
}

// NewSelfSigned makes a self-signed certificate that is no CA.
func NewSelfSigned(name string, options ...Option) *Certificate {
	return make509(nil, leafTemplate(name), options)
}

// Intermediate makes a CA certificate signed by ca.
func (ca *Certificate) Intermediate(name string, options ...Option) *Certificate {
	return make509(ca, caTemplate(name), options)
}

// Client makes an end entity certificate signed by ca, for client
// authentication, with name as its only subject attribute (CN) and no SAN.
func (ca *Certificate) Client(name string, options ...Option) *Certificate {
	return make509(ca, leafTemplate(name), options)
}

// PEM returns the certificate as nginx hands it over: 64-character lines, LF,
// a final LF.
func (c *Certificate) PEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// KeyPEM returns the private key as PKCS #8 PEM.
func (c *Certificate) KeyPEM() string {
	der, err := x509.MarshalPKCS8PrivateKey(c.Key)
	check(err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// ChainPEM returns the certificate and what issued it up to, but without, the
// self-signed one: what a well configured client sends.
func (c *Certificate) ChainPEM() string {
	chain := c.PEM()
	for up := c.issuer; up != nil && up.issuer != nil; up = up.issuer {
		chain += up.PEM()
	}
	return chain
}

// TLS returns the certificate, what issued it and its key for crypto/tls.
func (c *Certificate) TLS() tls.Certificate {
	out := tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: c.Key, Leaf: c.Certificate}
	for up := c.issuer; up != nil && up.issuer != nil; up = up.issuer {
		out.Certificate = append(out.Certificate, up.Raw)
	}
	return out
}

// Fingerprint returns the SHA-256 of the certificate in lower-case hex.
func (c *Certificate) Fingerprint() string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

func caTemplate(name string) *template {
	t := leafTemplate(name)
	t.cert.IsCA = true
	t.cert.BasicConstraintsValid = true
	t.cert.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	t.cert.ExtKeyUsage = nil
	return t
}

func leafTemplate(name string) *template {
	now := time.Now()
	return &template{cert: x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		NotBefore:   now.Add(-time.Hour).Truncate(time.Second),
		NotAfter:    now.Add(24 * time.Hour).Truncate(time.Second),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}}
}

func make509(issuer *Certificate, t *template, options []Option) *Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	check(err)
	t.cert.SerialNumber = serial.Add(serial, big.NewInt(1))
	for _, option := range options {
		option(t)
	}
	if t.key == nil {
		t.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		check(err)
	}
	parent, signer := &t.cert, t.key
	if issuer != nil {
		parent, signer = issuer.Certificate, issuer.Key
	}
	public := t.public
	if public == nil {
		public = t.key.Public()
	}
	der, err := x509.CreateCertificate(rand.Reader, &t.cert, parent, public, signer)
	check(err)
	cert, err := x509.ParseCertificate(der)
	check(err)
	read := sync.OnceValue(func() *certificate.Certificate { return parse(der) })
	return &Certificate{Certificate: cert, Key: t.key, issuer: issuer, read: read}
}

func check(err error) {
	if err != nil {
		panic(fmt.Sprintf("pkitest: %v", err))
	}
}

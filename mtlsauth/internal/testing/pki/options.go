package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/url"
	"time"
)

// With changes the template directly, for what has no option of its own.
func With(change func(*x509.Certificate)) Option {
	return func(t *template) { change(&t.cert) }
}

// Key gives the certificate this key instead of a fresh ECDSA P-256 one.
func Key(key crypto.Signer) Option {
	return func(t *template) { t.key = key }
}

// PublicKey puts this public key into the certificate, of which the private key is not
// needed: what a certificate can claim without being of use.
func PublicKey(key crypto.PublicKey) Option {
	return func(t *template) { t.public = key }
}

// RSA gives the certificate a fresh RSA key of so many bits.
func RSA(bits int) Option {
	return func(t *template) {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		check(err)
		t.key = key
	}
}

// Valid sets notBefore and notAfter.
func Valid(from, to time.Time) Option {
	return With(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, to })
}

// Expired makes the certificate one whose notAfter was an hour ago.
func Expired() Option {
	return Valid(time.Now().Add(-48*time.Hour), time.Now().Add(-time.Hour))
}

// NotYetValid makes the certificate one whose notBefore is in an hour.
func NotYetValid() Option {
	return Valid(time.Now().Add(time.Hour), time.Now().Add(48*time.Hour))
}

// Subject sets the subject name.
func Subject(name pkix.Name) Option {
	return With(func(c *x509.Certificate) { c.Subject = name })
}

// DNS adds dNSName values to the subject alternative name.
func DNS(names ...string) Option {
	return With(func(c *x509.Certificate) { c.DNSNames = append(c.DNSNames, names...) })
}

// Email adds rfc822Name values to the subject alternative name.
func Email(names ...string) Option {
	return With(func(c *x509.Certificate) { c.EmailAddresses = append(c.EmailAddresses, names...) })
}

// URI adds a uniformResourceIdentifier to the subject alternative name.
func URI(uri string) Option {
	return With(func(c *x509.Certificate) {
		u, err := url.Parse(uri)
		check(err)
		c.URIs = append(c.URIs, u)
	})
}

// IP adds an iPAddress to the subject alternative name.
func IP(ip string) Option {
	return With(func(c *x509.Certificate) { c.IPAddresses = append(c.IPAddresses, net.ParseIP(ip)) })
}

// ExtKeyUsage replaces the extended key usages; none leaves the extension out.
func ExtKeyUsage(usages ...x509.ExtKeyUsage) Option {
	return With(func(c *x509.Certificate) { c.ExtKeyUsage = usages })
}

// Extension adds an extension as it is.
func Extension(ext pkix.Extension) Option {
	return With(func(c *x509.Certificate) { c.ExtraExtensions = append(c.ExtraExtensions, ext) })
}

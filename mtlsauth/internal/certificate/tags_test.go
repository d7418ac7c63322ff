package certificate_test

import (
	"crypto/x509"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// positions calls f with the path of each element in der and where its tag is.
func positions(der []byte, path string, at int, f func(path string, at int)) {
	input := cryptobyte.String(der)
	for i := 0; !input.Empty(); i++ {
		before := len(input)
		var content, whole cryptobyte.String
		var tag asn1.Tag
		rest := input
		if !input.ReadAnyASN1Element(&whole, &tag) || !rest.ReadAnyASN1(&content, &tag) {
			return
		}
		here := fmt.Sprintf("%s.%d", path, i)
		start := at + len(der) - before
		f(here, start)
		if tag&0x20 != 0 {
			positions(content, here, start+len(whole)-len(content), f)
		}
	}
}

// The structure of a certificate (RFC 5280, section 4.1) is read by its tags: what has another
// one is another thing. Names may have any string type, and times have two.
func TestEveryTagOfTheStructure(t *testing.T) {
	root := pki.NewCA("root", pki.With(func(c *x509.Certificate) { c.SubjectKeyId = []byte{1, 2, 3} }))
	leaf := root.Client("leaf", pki.DNS("a.example"), pki.OCSPServer("http://ocsp.example"), pki.CRLDistributionPoint("http://crl.example"))
	for _, der := range [][]byte{root.Raw, leaf.Raw} {
		if _, err := certificate.Parse(der); err != nil {
			t.Fatal(err)
		}
		tried := 0
		positions(der, "", 0, func(path string, at int) {
			for _, names := range []string{".0.0.3.", ".0.0.5.", ".0.0.6.0", ".0.1", ".0.0.2"} {
				if strings.HasPrefix(path, names) {
					return // within issuer, subject and the key, and algorithms, which are judged when they are used
				}
			}
			changed := append([]byte(nil), der...)
			for _, tag := range []byte{der[at] ^ 0x01, der[at] ^ 0x02, der[at] ^ 0x80} {
				if (tag == 0x17 || tag == 0x18) && (der[at] == 0x17 || der[at] == 0x18) {
					continue
				}
				changed[at] = tag
				tried++
				if c, err := certificate.Parse(changed); err == nil {
					t.Errorf("%s: tag %#x for %#x was read as %v", path, tag, der[at], c.RawSubject)
				}
			}
		})
		if tried < 60 {
			t.Errorf("only %d changes were tried", tried)
		}
	}
}

package certname_test

import (
	"crypto/x509"
	"net/url"
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/certname"
)

// FuzzGeneralNames holds the parser against crypto/x509's: where that finds
// names, they are the same ones in the same order.
func FuzzGeneralNames(f *testing.F) {
	f.Add(sequence(context(2, false, []byte("a.example")), context(7, false, []byte{127, 0, 0, 1})))
	f.Add(sequence(context(1, false, []byte("a@b")), context(6, false, []byte("https://x/y"))))
	f.Add(sequence(context(4, true, rdnSequence(f, []attr{{cn, utf8String, "a\n"}}))))
	f.Add(sequence(otherName(f, upn, []byte{utf8String, 1, 'u'})))
	f.Fuzz(func(t *testing.T, value []byte) {
		names, err := certname.ParseGeneralNames(value)
		if err != nil && names != nil {
			t.Fatalf("an error and %v", names)
		}
		if strings.ContainsFunc(certname.Join(names), isControl) {
			t.Fatalf("control character in %q", certname.Join(names))
		}
		cert := parseWithSAN(t, value)
		if cert == nil || err != nil {
			return
		}
		mine := map[certname.Kind][]string{}
		for _, n := range names {
			if n.Kind == certname.IP {
				n.Value = string(n.Raw)
			}
			mine[n.Kind] = append(mine[n.Kind], n.Value)
		}
		var ips []string
		for _, ip := range cert.IPAddresses {
			ips = append(ips, string(ip))
		}
		if !slices.Equal(mine[certname.DNS], cert.DNSNames) || !slices.Equal(mine[certname.Email], cert.EmailAddresses) || !slices.Equal(mine[certname.IP], ips) {
			t.Fatalf("got %q, crypto/x509 has %q %q %q", mine, cert.DNSNames, cert.EmailAddresses, ips)
		}
		if !slices.EqualFunc(mine[certname.URI], cert.URIs, sameURI) {
			t.Fatalf("got %q, crypto/x509 has %q", mine[certname.URI], cert.URIs)
		}
	})
}

// sameURI compares through url.Parse, which does not keep every spelling.
func sameURI(mine string, theirs *url.URL) bool {
	parsed, err := url.Parse(mine)
	return err == nil && *parsed == *theirs || err == nil && parsed.String() == theirs.String()
}

var template = client(sequence(context(2, false, []byte("placeholder"))), false)

// parseWithSAN puts value in the place of the template's extension and parses
// the certificate; nil where crypto/x509 refuses it.
func parseWithSAN(t *testing.T, value []byte) *x509.Certificate {
	cert, err := x509.ParseCertificate(replaceSAN(t, template.Raw, value))
	if err != nil {
		return nil
	}
	return cert
}

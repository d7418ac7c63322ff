package certificate_test

import (
	"crypto/x509"
	"testing"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// FuzzParse compares the reader with crypto/x509: what that reads, it reads
// alike, or refuses for data that crypto/x509 passes over. Everything that is
// asked of a certificate has an answer.
func FuzzParse(f *testing.F) {
	root := pki.NewCA("root")
	for _, cert := range []*pki.Certificate{
		root, root.Intermediate("one", pki.RSA(2048)),
		root.Client("client", pki.DNS("a.example"), pki.Email("a@b.example"), pki.URI("https://a/"), pki.IP("192.0.2.1"), pki.ExtKeyUsage(x509.ExtKeyUsageClientAuth)),
		root.Client("client", pki.OCSPServer("http://a/"), pki.With(func(c *x509.Certificate) {
			c.CRLDistributionPoints = []string{"http://a/", "http://b/"}
			c.PermittedDNSDomains, c.ExcludedEmailAddresses = []string{"a"}, []string{"b"}
			c.PolicyIdentifiers = nil
			c.RequireExplicitPolicyZero = true
		})),
	} {
		f.Add(cert.Raw)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		c, err := certificate.Parse(der)
		x, errX := x509.ParseCertificate(der)
		switch {
		case err != nil && errX == nil:
			if !passedOver(x) && err.Error() != "malformed signature" {
				t.Fatalf("crypto/x509 reads it: %v", err)
			}
		case err == nil && errX == nil:
			if fields := unexplained(c, x); len(fields) > 0 {
				t.Fatalf("other than crypto/x509 reads them: %v", fields)
			}
		case err == nil:
			if !x509Refuses.explain(errX) {
				t.Fatalf("crypto/x509 refuses it: %v", errX)
			}
		}
		if err == nil {
			ask(c)
		}
	})
}

// ask asks for everything that is read only then.
func ask(c *certificate.Certificate) {
	c.SerialNumber()
	c.SignatureAlgorithm()
	c.CheckCritical()
	c.SubjectAltNames()
	c.Policies()
	c.AuthorityInfo(certificate.AccessOCSP)
	c.Allows(certificate.ExtKeyUsageClientAuth)
	if e := c.Extension(certificate.OIDNameConstraints); e != nil {
		certificate.SplitNameConstraints(e.Value)
	}
	for _, raw := range [][]byte{c.RawSubject, c.RawIssuer} {
		certificate.NameKey(raw)
		certificate.ParseDN(raw)
		certificate.DistinguishedName(raw)
	}
}

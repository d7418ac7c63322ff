package certificate_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// differences returns the fields that crypto/x509 reads otherwise.
func differences(c *certificate.Certificate, x *x509.Certificate) (fields []string) {
	check := func(field string, same bool) {
		if !same {
			fields = append(fields, field)
		}
	}
	check("Raw", bytes.Equal(c.Raw, x.Raw))
	check("RawTBSCertificate", bytes.Equal(c.RawTBSCertificate, x.RawTBSCertificate))
	check("RawSubject", bytes.Equal(c.RawSubject, x.RawSubject))
	check("RawIssuer", bytes.Equal(c.RawIssuer, x.RawIssuer))
	check("RawSubjectPublicKeyInfo", bytes.Equal(c.RawSubjectPublicKeyInfo, x.RawSubjectPublicKeyInfo))
	check("Signature", bytes.Equal(c.Signature, x.Signature))
	check("Version", c.Version == x.Version)
	check("SerialNumber", c.SerialNumber().Cmp(x.SerialNumber) == 0)
	check("NotBefore", c.NotBefore.Equal(x.NotBefore))
	check("NotAfter", c.NotAfter.Equal(x.NotAfter))
	if key, ok := x.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); ok && slices.Contains(
		[]x509.PublicKeyAlgorithm{x509.RSA, x509.ECDSA, x509.Ed25519}, x.PublicKeyAlgorithm) {
		check("PublicKey", key.Equal(c.PublicKey))
	}
	if x.Version == 3 {
		check("Extensions", slices.EqualFunc(c.Extensions, x.Extensions, func(a certificate.Extension, b pkix.Extension) bool {
			id, err := asn1.Marshal(b.Id)
			return err == nil && string(a.ID) == string(id[2:]) && a.Critical == b.Critical && bytes.Equal(a.Value, b.Value)
		}))
	}
	check("IsCA", c.IsCA == x.IsCA)
	if x.MaxPathLen > 0 || x.MaxPathLenZero {
		check("MaxPathLen", c.MaxPathLen == x.MaxPathLen)
	} else {
		check("MaxPathLen", c.MaxPathLen == -1)
	}
	check("KeyUsage", int(c.KeyUsage) == int(x.KeyUsage))
	check("ExtKeyUsage", c.HasExtKeyUsage == slices.ContainsFunc(x.Extensions, func(e pkix.Extension) bool { return e.Id.String() == "2.5.29.37" }))
	for id, usage := range map[certificate.OID]x509.ExtKeyUsage{
		certificate.ExtKeyUsageAny: x509.ExtKeyUsageAny, certificate.ExtKeyUsageClientAuth: x509.ExtKeyUsageClientAuth,
		certificate.ExtKeyUsageServerAuth: x509.ExtKeyUsageServerAuth, certificate.ExtKeyUsageOCSPSigning: x509.ExtKeyUsageOCSPSigning,
	} {
		check("ExtKeyUsage", c.HasPurpose(id) == slices.Contains(x.ExtKeyUsage, usage))
	}
	names := map[certificate.Kind][]string{}
	sans, _, _ := c.SubjectAltNames()
	for _, n := range sans {
		if !n.Undecodable {
			names[n.Kind] = append(names[n.Kind], n.Value)
		}
	}
	// crypto/x509 does not ask of these whether they are ASCII.
	ascii := func(addresses []string) []string {
		return slices.DeleteFunc(slices.Clone(addresses), func(a string) bool {
			return strings.ContainsFunc(a, func(r rune) bool { return r >= utf8.RuneSelf })
		})
	}
	check("DNSNames", slices.Equal(names[certificate.DNS], x.DNSNames))
	check("EmailAddresses", slices.Equal(names[certificate.Email], x.EmailAddresses))
	check("IPAddresses", slices.EqualFunc(names[certificate.IP], x.IPAddresses, func(a string, b net.IP) bool { return net.ParseIP(a).Equal(b) }))
	check("URIs", slices.EqualFunc(names[certificate.URI], x.URIs, func(a string, b *url.URL) bool {
		parsed, err := url.Parse(a)
		return err == nil && parsed.String() == b.String()
	}))
	check("OCSPServer", slices.Equal(c.AuthorityInfo(certificate.AccessOCSP), ascii(x.OCSPServer)))
	check("IssuingCertificateURL", slices.Equal(c.AuthorityInfo(certificate.AccessCAIssuers), ascii(x.IssuingCertificateURL)))
	check("SubjectKeyId", bytes.Equal(c.SubjectKeyId, x.SubjectKeyId))
	check("AuthorityKeyId", bytes.Equal(c.AuthorityKeyId, x.AuthorityKeyId))
	return fields
}

// TestAlgorithmOutside: the algorithm beside the signature is not signed, and has
// to be the one that is.
func TestAlgorithmOutside(t *testing.T) {
	whole, _ := children(base.Raw)
	outside := sequence(oid("\x2a\x86\x48\xce\x3d\x04\x03\x03"))
	c := read(t, sequence(whole[0], outside, whole[2]))
	if _, err := c.SignatureAlgorithm(); err == nil {
		t.Error("another algorithm than was signed")
	}
}

func TestAgreesWithX509(t *testing.T) {
	root := pki.NewCA("root")
	for name, x := range map[string]*pki.Certificate{
		"root":         root,
		"intermediate": root.Intermediate("intermediate", pki.With(func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true })),
		"client":       root.Client("client", pki.DNS("a.example"), pki.ExtKeyUsage(x509.ExtKeyUsageClientAuth)),
		"RSA":          root.Client("client", pki.RSA(2048)),
	} {
		t.Run(name, func(t *testing.T) {
			c, err := certificate.Parse(x.Certificate.Raw)
			if err != nil {
				t.Fatal(err)
			}
			if fields := differences(c, x.Certificate); fields != nil {
				t.Errorf("other than crypto/x509 reads them: %v", fields)
			}
			algorithm, err := c.SignatureAlgorithm()
			if err != nil {
				t.Fatal(err)
			}
			if err := algorithm.VerifyMessage(root.PublicKey, c.RawTBSCertificate, c.Signature); err != nil {
				t.Error(err)
			}
		})
	}
}

package certificate_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"testing"

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
	check("SubjectKeyId", bytes.Equal(c.SubjectKeyId, x.SubjectKeyId))
	check("AuthorityKeyId", bytes.Equal(c.AuthorityKeyId, x.AuthorityKeyId))
	return fields
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

package certpath_test

import (
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func ed25519Key() pki.Option {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err)
	}
	return pki.Key(key)
}

// BenchmarkCold compares a leaf that has not been seen before, from PEM to
// paths, with the least that crypto/x509 does for it: "ours/bare". What both
// share is the signature checks: nine tenths of a small certificate's cost.
func BenchmarkCold(b *testing.B) {
	for _, key := range []struct {
		name   string
		option func() pki.Option
	}{
		{"RSA2048", func() pki.Option { return pki.RSA(2048) }},
		{"P256", func() pki.Option { return curve(elliptic.P256()) }},
		{"Ed25519", ed25519Key},
	} {
		for _, kind := range []struct {
			name    string
			options []pki.Option
		}{{"small", nil}, {"usual", asUsual}} {
			with := append([]pki.Option{key.option()}, kind.options...)
			root := pki.NewCA("root", with...)
			with[0] = key.option()
			intermediate := root.Intermediate("intermediate", with...)
			with[0] = key.option()
			name := key.name + "/" + kind.name
			benchmarkCold(b, name+"/one level", root.Client("c", with...).PEM(), "", root)
			leaf := intermediate.Client("c", with...)
			benchmarkCold(b, name+"/two levels", leaf.PEM(), "", root, intermediate)
			benchmarkCold(b, name+"/two levels, presented", leaf.PEM(), leaf.ChainPEM(), root)
		}
	}
}

// asUsual is what certificates of public and corporate CAs have besides.
var asUsual = []pki.Option{
	pki.DNS("client.example.com", "client.internal.example.com"), pki.URI("spiffe://example.com/client"),
	pki.With(func(c *x509.Certificate) {
		c.Subject.Country, c.Subject.Organization, c.Subject.OrganizationalUnit = []string{"US"}, []string{"Example, Inc."}, []string{"Platform"}
		c.Subject.Province, c.Subject.Locality = []string{"California"}, []string{"San Francisco"}
		c.OCSPServer, c.IssuingCertificateURL = []string{"http://ocsp.example.com"}, []string{"http://ca.example.com/ca.crt"}
		c.CRLDistributionPoints = []string{"http://crl.example.com/ca.crl"}
		id, err := x509.OIDFromInts([]uint64{1, 3, 6, 1, 4, 1, 99999, 1})
		if err != nil {
			panic(err)
		}
		c.Policies = []x509.OID{id}
	}),
}

func benchmarkCold(b *testing.B, name, leafPEM, chainPEM string, cas ...*pki.Certificate) {
	now := time.Now()
	roots, configured := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(cas[0].Certificate)
	for _, ca := range cas[1:] {
		configured.AddCert(ca.Certificate)
	}
	bare := func() error {
		block, _ := pem.Decode([]byte(leafPEM))
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return err
		}
		intermediates := configured
		if chainPEM != "" {
			intermediates = x509.NewCertPool()
			for rest := []byte(chainPEM); ; {
				if block, rest = pem.Decode(rest); block == nil {
					break
				}
				if string(block.Bytes) == string(leaf.Raw) {
					continue
				}
				ca, err := x509.ParseCertificate(block.Bytes)
				if err != nil {
					return err
				}
				intermediates.AddCert(ca)
			}
		}
		_, err = leaf.Verify(x509.VerifyOptions{
			Roots: roots, Intermediates: intermediates, CurrentTime: now,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		})
		return err
	}
	trust := certpath.NewTrust(readAll(cas...), certpath.TrustOptions{})
	ours := func() error {
		leaf, err := certificate.ParseLeaf([]byte(leafPEM))
		if err != nil {
			return err
		}
		chain, _ := certificate.ParseChain([]byte(chainPEM), leaf)
		_, err = trust.Validate(leaf, chain, certpath.Options{Now: now})
		return err
	}
	// In turns, and the least of each: what else the machine does adds to both.
	b.Run(name, func(b *testing.B) {
		least := [2]time.Duration{time.Hour, time.Hour}
		for b.Loop() {
			for i, f := range []func() error{bare, ours} {
				const calls = 20
				started := time.Now()
				for range calls {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
				least[i] = min(least[i], time.Since(started)/calls)
			}
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(least[0].Nanoseconds()), "bare-ns")
		b.ReportMetric(float64(least[1].Nanoseconds()), "ours-ns")
		b.ReportMetric(float64(least[1])/float64(least[0]), "ours/bare")
	})
}

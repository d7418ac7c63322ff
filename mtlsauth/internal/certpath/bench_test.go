package certpath_test

import (
	"crypto/ed25519"
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
// paths, with the least that crypto/x509 does for it.
func BenchmarkCold(b *testing.B) {
	for _, key := range []struct {
		name   string
		option func() pki.Option
	}{
		{"RSA2048", func() pki.Option { return pki.RSA(2048) }},
		{"P256", func() pki.Option { return pki.With(func(*x509.Certificate) {}) }},
		{"Ed25519", ed25519Key},
	} {
		root := pki.NewCA("root", key.option())
		intermediate := root.Intermediate("intermediate", key.option())
		benchmarkCold(b, key.name+"/one level", root.Client("c", key.option()).PEM(), "", root)
		leaf := intermediate.Client("c", key.option())
		benchmarkCold(b, key.name+"/two levels", leaf.PEM(), "", root, intermediate)
		benchmarkCold(b, key.name+"/two levels, presented", leaf.PEM(), leaf.ChainPEM(), root)
	}
}

func benchmarkCold(b *testing.B, name, leafPEM, chainPEM string, cas ...*pki.Certificate) {
	now := time.Now()
	roots, configured := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(cas[0].Certificate)
	for _, ca := range cas[1:] {
		configured.AddCert(ca.Certificate)
	}
	b.Run(name+"/bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			block, _ := pem.Decode([]byte(leafPEM))
			leaf, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				b.Fatal(err)
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
						b.Fatal(err)
					}
					intermediates.AddCert(ca)
				}
			}
			if _, err := leaf.Verify(x509.VerifyOptions{
				Roots: roots, Intermediates: intermediates, CurrentTime: now,
				KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
			}); err != nil {
				b.Fatal(err)
			}
		}
	})
	trust := certpath.NewTrust(readAll(cas...), certpath.TrustOptions{})
	b.Run(name+"/ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			leaf, err := certificate.ParseLeaf([]byte(leafPEM))
			if err != nil {
				b.Fatal(err)
			}
			chain, _ := certificate.ParseChain([]byte(chainPEM), leaf)
			if _, err := trust.Validate(leaf, chain, certpath.Options{Now: now}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

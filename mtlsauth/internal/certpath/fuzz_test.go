package certpath_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// FuzzMutatedLeaf changes bytes of a good leaf, and of the intermediate that is
// sent along: what still parses never leads to an anchor.
func FuzzMutatedLeaf(f *testing.F) {
	root := pki.NewCA("root")
	one := root.Intermediate("one", constraints(f, true, permitted(dnsBase("example.com"), dnBase(f, "CN=leaf"))))
	leaf := one.Client("leaf", pki.DNS("a.example.com"))
	trust := certpath.NewTrust([]*certificate.Certificate{read(root)}, certpath.TrustOptions{})
	if _, err := trust.Validate(read(leaf), []*certificate.Certificate{read(one)}, certpath.Options{Now: now}); err != nil {
		f.Fatal(err)
	}
	f.Add(uint16(100), byte(1), uint16(0), byte(0))
	f.Add(uint16(0), byte(0), uint16(200), byte(0x80))
	f.Add(uint16(len(leaf.Raw)-1), byte(1), uint16(len(one.Raw)-1), byte(1))
	f.Fuzz(func(t *testing.T, at uint16, flip byte, above uint16, flipAbove byte) {
		mutate := func(der []byte, at uint16, flip byte) *certificate.Certificate {
			der = bytes.Clone(der)
			der[int(at)%len(der)] ^= flip
			cert, err := certificate.Parse(der)
			if err != nil {
				return nil
			}
			return cert
		}
		changed := mutate(leaf.Raw, at, flip)
		if changed == nil {
			return
		}
		paths, err := trust.Validate(changed, []*certificate.Certificate{mutate(one.Raw, above, flipAbove)}, certpath.Options{Now: now})
		if (err == nil) != (flip == 0 && flipAbove == 0) {
			t.Fatalf("flip %d %x, %d %x: %v", at, flip, above, flipAbove, err)
		}
		if (err == nil) != (len(paths) > 0) {
			t.Fatalf("%d paths and %v", len(paths), err)
		}
	})
}

// FuzzConstraints puts bytes of anyone's choice where name constraints, names
// and the subject are: there is an answer, and not two.
func FuzzConstraints(f *testing.F) {
	root := pki.NewCA("root")
	key := curveKey
	f.Add(sequence(permitted(dnsBase("a.org"), emailBase("a@b.org"))), sequence(dnsBase("b.a.org"), emailBase("a@b.org")), rdnSequence(f, "C=US,E:22=a@b.org"))
	f.Add(sequence(excluded(uriBase(".a.org"), ipBase(1, 2, 3, 4, 255, 0, 0, 0))), sequence(uriBase("https://b.a.org/"), ipBase(1, 2, 3, 4)), rdnSequence(f, ""))
	f.Add(sequence(permitted(dnBase(f, "O=a+OU=b"), otherName("x"))), sequence(dnBase(f, "O=a+OU=b,CN=c"), otherName("y")), rdnSequence(f, "O=a+OU=b"))
	f.Fuzz(func(t *testing.T, constraints, names, subject []byte) {
		ext := func(last int, value []byte) pki.Option {
			return pki.Extension(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, last}, Critical: true, Value: value})
		}
		one := tryMake(func() *pki.Certificate { return root.Intermediate("one", key, ext(30, constraints)) })
		if one == nil {
			return
		}
		leaf := tryMake(func() *pki.Certificate {
			return one.Client("leaf", key, ext(17, names), pki.With(func(c *x509.Certificate) { c.RawSubject = subject }))
		})
		if leaf == nil {
			return
		}
		trust := certpath.NewTrust([]*certificate.Certificate{read(root)}, certpath.TrustOptions{})
		paths, err := trust.Validate(read(leaf), []*certificate.Certificate{read(one)}, certpath.Options{Now: now})
		if (err == nil) != (len(paths) > 0) {
			t.Fatalf("%d paths and %v", len(paths), err)
		}
		if err == nil && !paths[0].Constrained() {
			t.Fatal("not constrained")
		}
	})
}

var curveKey = pki.Key(pki.NewCA("key").Key)

// tryMake returns nil where crypto/x509 refuses what was asked for.
func tryMake(make func() *pki.Certificate) (cert *pki.Certificate) {
	defer func() {
		if recover() != nil {
			cert = nil
		}
	}()
	return make()
}

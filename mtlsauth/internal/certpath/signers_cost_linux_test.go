//go:build !race

package certpath_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"testing"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// TestCostOfCRLSigners: what a client sends along under the name of its issuer
// costs no more, all of it together, than half a validation.
func TestCostOfCRLSigners(t *testing.T) {
	root, self := pki.NewCA("root"), pki.NewCA("ca")
	trust := certpath.NewTrust([]*certificate.Certificate{read(root)}, certpath.TrustOptions{})
	bogus := func(issuer *pki.Certificate, bits, exponent int) (out []*certificate.Certificate) {
		for i := range 10 {
			out = append(out, rsaSigned(t, bogusRSA(t, read(issuer.Intermediate("ca")), bits, exponent, int64(i)), bits/8))
		}
		return out
	}
	// Each below a CA of its own that leads nowhere.
	chained := func(key pki.Option) (out []*certificate.Certificate) {
		for i := range 5 {
			up := self.Intermediate(fmt.Sprint("up ", i), key)
			out = append(out, read(up), read(up.Intermediate("ca", key)))
		}
		return out
	}
	// A SAN of its own keeps crypto/x509 from seeing a loop.
	mutual := func(key pki.Option) (out []*certificate.Certificate) {
		ca := pki.NewCA("ca", key)
		for i := range 10 {
			out = append(out, read(ca.Intermediate("ca", pki.Key(ca.Key), pki.DNS(fmt.Sprintf("%d.org", i)))))
		}
		return out
	}
	for _, test := range []struct {
		name      string
		presented []*certificate.Certificate
	}{
		{"RSA 190,000", bogus(root, 190000, 65537)},
		{"RSA 8192 with a long exponent", bogus(root, 8192, 1<<31-1)},
		{"RSA 8192 that name each other", bogus(self, 8192, 1<<31-1)},
		{"RSA 4096 that name each other", bogus(self, 4096, 65537)},
		{"P-521 that sign each other", mutual(curve(elliptic.P521()))},
		{"P-384 that sign each other", mutual(curve(elliptic.P384()))},
		{"P-256 that sign each other", mutual(curve(elliptic.P256()))},
		{"P-521 in chains", chained(curve(elliptic.P521()))},
		{"P-384 in chains", chained(curve(elliptic.P384()))},
	} {
		var n int
		took := costOf(func() {
			n = len(trust.CRLSigners(self.RawSubject, read(root), test.presented, now, anyKey))
		})
		t.Logf("%s: %v", test.name, took)
		if n != 0 {
			t.Errorf("%s: %d signers, want none", test.name, n)
		}
		if took > limit(t)/2 {
			t.Errorf("%s: took %v", test.name, took)
		}
	}
	// The budget is one for all: a good signer among others is found while
	// there is something left of it.
	good := read(root.Intermediate("ca"))
	if n := len(trust.CRLSigners(self.RawSubject, read(root), append(bogus(self, 2048, 65537)[:2], good), now, anyKey)); n != 1 {
		t.Errorf("a good signer beside two others: got %d", n)
	}
}

// TestCostOfKeysForACRL: a CRL is tried with the keys of what a client sends
// along within a budget of its own, and with those that are configured in any case.
func TestCostOfKeysForACRL(t *testing.T) {
	root, self := pki.NewCA("root"), pki.NewCA("ca")
	configured := read(root.Intermediate("ca"))
	trust := certpath.NewTrust([]*certificate.Certificate{read(root), configured}, certpath.TrustOptions{})
	var presented []*certificate.Certificate
	for i := range 10 {
		presented = append(presented, bogusRSA(t, read(self.Intermediate("ca")), 8192, 1<<31-1, int64(i)))
	}
	var tried []*certificate.Certificate
	trust.CRLSigners(self.RawSubject, read(root), presented, now, func(cert *certificate.Certificate) bool {
		tried = append(tried, cert)
		return false
	})
	if len(tried) == 0 || len(tried) > 2 || !tried[0].Equal(configured) {
		t.Errorf("the keys of %d certificates were tried, want the configured one's and one more", len(tried))
	}
}

// TestConfiguredCRLSignerAmongOthers: what a client sends along is no way to have
// the path of a configured signer not found.
func TestConfiguredCRLSignerAmongOthers(t *testing.T) {
	old := pki.NewCA("root")
	renewed := read(pki.NewCA("root", pki.Key(old.Key), pki.With(func(c *x509.Certificate) { c.SubjectKeyId = []byte("another") })))
	signer := read(old.Intermediate("ca"))
	trust := certpath.NewTrust([]*certificate.Certificate{renewed, signer}, certpath.TrustOptions{})
	like := pki.With(func(c *x509.Certificate) { c.SubjectKeyId = old.SubjectKeyId })
	var presented []*certificate.Certificate
	for i, bits := range []int{8192, 8192, 8192, 7936} {
		presented = append(presented, bogusRSA(t, read(pki.NewCA("up").Intermediate("root", like)), bits, 65537, int64(i)))
	}
	if n := len(trust.CRLSigners(signer.RawSubject, renewed, presented, now, anyKey)); n != 1 {
		t.Errorf("%d signers are found, want the configured one", n)
	}
}

// TestPathsOfCRLSignersShareABudget: what the path of one signer has cost is not there for
// that of another.
func TestPathsOfCRLSignersShareABudget(t *testing.T) {
	root := pki.NewCA("root", curve(elliptic.P521()))
	trust := certpath.NewTrust(readAll(root), certpath.TrustOptions{})
	up := pki.NewCA("up", pki.Key(rsaSigner(2048, 0)))
	dear := rsaSigned(t, read(up.Intermediate("ca")), 8192/8)
	above := bogusRSA(t, read(root.Intermediate("up")), 8192, 1<<31-1, 0)
	good := read(root.Intermediate("ca"))
	for name, test := range map[string]struct {
		presented []*certificate.Certificate
		want      int
	}{
		"the good one alone":     {[]*certificate.Certificate{good, above}, 1},
		"before the dear one":    {[]*certificate.Certificate{good, dear, above}, 1},
		"after the dear one":     {[]*certificate.Certificate{dear, good, above}, 0},
		"after it, without cost": {[]*certificate.Certificate{dear, good}, 1},
	} {
		if n := len(trust.CRLSigners(good.RawSubject, read(root), test.presented, now, anyKey)); n != test.want {
			t.Errorf("%s: %d paths, want %d", name, n, test.want)
		}
	}
}

package certpath_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// crlSigner makes of a client's certificate one that signs CRLs alone, of which
// it has a usage that is not asked for.
var crlSigner = []pki.Option{usage(x509.KeyUsageCRLSign), pki.ExtKeyUsage(x509.ExtKeyUsageCodeSigning)}

// TestCRLSigners asks for the signers with the name of ca. The party ca-crl is
// another key with the name of ca, and leaf-crl is one that is not a CA.
func TestCRLSigners(t *testing.T) {
	named := func(more ...pki.Option) []pki.Option {
		return append([]pki.Option{pki.With(func(c *x509.Certificate) { c.Subject.CommonName = "ca" })}, more...)
	}
	onlyCRLs := named(usage(x509.KeyUsageCRLSign))
	for _, test := range []struct {
		name       string
		edges      string
		options    map[string][]pki.Option
		configured string
		presented  string
		anchor     string
		want       string
	}{
		{"configured", "root root>ca-crl", map[string][]pki.Option{"root>ca-crl": onlyCRLs}, "root root>ca-crl", "", "root", "root>ca-crl root"},
		{"presented", "root root>ca-crl", map[string][]pki.Option{"root>ca-crl": onlyCRLs}, "root", "root>ca-crl", "root", "root>ca-crl root"},
		{"configured and presented counts once", "root root>ca-crl", map[string][]pki.Option{"root>ca-crl": onlyCRLs}, "root root>ca-crl", "root>ca-crl", "root", "root>ca-crl root"},
		{"neither", "root root>ca-crl", map[string][]pki.Option{"root>ca-crl": onlyCRLs}, "root", "", "root", ""},
		{"no CA, and with another extended key usage", "root root>leaf-crl", map[string][]pki.Option{"root>leaf-crl": named(crlSigner...)}, "root", "root>leaf-crl", "root", "root>leaf-crl root"},
		{"no CA, configured", "root root>leaf-crl", map[string][]pki.Option{"root>leaf-crl": named(crlSigner...)}, "root root>leaf-crl", "", "root", "root>leaf-crl root"},
		{"below another CA", "root root>one one>ca-crl", map[string][]pki.Option{"one>ca-crl": onlyCRLs}, "root", "root>one one>ca-crl", "root", "one>ca-crl root>one root"},
		{"the anchor itself", "ca ca>leaf", nil, "ca", "", "ca", "ca"},
		{"the anchor itself, presented", "ca ca>leaf", nil, "ca", "ca", "ca", "ca"},
		{"the anchor that may not sign CRLs", "ca", map[string][]pki.Option{"ca": {usage(x509.KeyUsageCertSign)}}, "ca", "", "ca", ""},
		{"another anchor of the name", "ca root", nil, "ca root", "", "root", ""},
		{"to another anchor", "root other other>ca-crl", map[string][]pki.Option{"other>ca-crl": onlyCRLs}, "root other", "other>ca-crl", "root", ""},
		{"to the other anchor", "root other other>ca-crl", map[string][]pki.Option{"other>ca-crl": onlyCRLs}, "root other", "other>ca-crl", "other", "other>ca-crl other"},
		{"to none", "root other other>ca-crl", map[string][]pki.Option{"other>ca-crl": onlyCRLs}, "root", "other>ca-crl", "root", ""},
		{"an anchor that is presented alone", "root ca-crl", map[string][]pki.Option{"ca-crl": onlyCRLs}, "root", "ca-crl", "root", ""},
		{"another name", "root root>other-crl", map[string][]pki.Option{"root>other-crl": {usage(x509.KeyUsageCRLSign)}}, "root root>other-crl", "root>other-crl", "root", ""},
		{"expired", "root root>ca-crl", map[string][]pki.Option{"root>ca-crl": append(onlyCRLs, pki.Expired())}, "root root>ca-crl", "", "root", ""},
		{"not yet valid", "root root>ca-crl", map[string][]pki.Option{"root>ca-crl": append(onlyCRLs, pki.NotYetValid())}, "root", "root>ca-crl", "root", ""},
		{"below one that is expired", "root root>one one>ca-crl", map[string][]pki.Option{"root>one": {pki.Expired()}, "one>ca-crl": onlyCRLs}, "root", "root>one one>ca-crl", "root", ""},
		{"the anchor itself, expired", "ca", map[string][]pki.Option{"ca": {pki.Expired()}}, "ca", "", "ca", ""},
		{"without cRLSign", "root root>ca-crl", map[string][]pki.Option{"root>ca-crl": named(usage(x509.KeyUsageCertSign))}, "root root>ca-crl", "root>ca-crl", "root", ""},
		{"without key usage", "root root>ca-crl", map[string][]pki.Option{"root>ca-crl": named(usage(0))}, "root", "root>ca-crl", "root", "root>ca-crl root"},
		{"a weak key", "root root>ca-crl", map[string][]pki.Option{"root>ca-crl": append(onlyCRLs, curve(elliptic.P224()))}, "root root>ca-crl", "root>ca-crl", "root", ""},
		{"an unknown critical extension", "root root>ca-crl", map[string][]pki.Option{"root>ca-crl": append(onlyCRLs, unknownCritical())}, "root", "root>ca-crl", "root", ""},
		{"the anchor itself, with an unknown critical extension", "ca", map[string][]pki.Option{"ca": {unknownCritical()}}, "ca", "", "ca", ""},
		{"below one that is for servers alone", "root root>one one>ca-crl", map[string][]pki.Option{
			"root>one": {pki.ExtKeyUsage(x509.ExtKeyUsageServerAuth)}, "one>ca-crl": onlyCRLs}, "root", "root>one one>ca-crl", "root", "one>ca-crl root>one root"},
		{"against a name constraint", "root root>one one>ca-crl", map[string][]pki.Option{
			"root>one": {constraints(t, true, permitted(dnBase(t, "CN=another")))}, "one>ca-crl": onlyCRLs}, "root", "root>one one>ca-crl", "root", ""},
		{"within a name constraint", "root root>one one>ca-crl", map[string][]pki.Option{
			"root>one": {constraints(t, true, permitted(dnBase(t, "CN=ca")))}, "one>ca-crl": onlyCRLs}, "root", "root>one one>ca-crl", "root", "one>ca-crl root>one root"},
		{"below one that may not issue", "root root>one one>ca-crl", map[string][]pki.Option{
			"root>one": {notCA()}, "one>ca-crl": onlyCRLs}, "root", "root>one one>ca-crl", "root", ""},
		{"configured before presented", "root root>ca-crl root>ca-more", map[string][]pki.Option{
			"root>ca-crl": onlyCRLs, "root>ca-more": onlyCRLs}, "root root>ca-more", "root>ca-crl", "root", "root>ca-more root, root>ca-crl root"},
	} {
		g := newGraph(t, test.edges+" name name>ca", test.options)
		trust := certpath.NewTrust(g.list(t, test.configured), certpath.TrustOptions{})
		paths := trust.CRLSigners(g.certs["name>ca"].RawSubject, g.certs[test.anchor], g.list(t, test.presented), now, anyKey)
		if got := g.describe(paths); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// TestCRLSignersOfNothing: without a name, an anchor or a time there are none.
func TestCRLSignersOfNothing(t *testing.T) {
	ca := pki.NewCA("ca")
	trust := certpath.NewTrust([]*certificate.Certificate{read(ca)}, certpath.TrustOptions{})
	if n := len(trust.CRLSigners(ca.RawSubject, read(ca), []*certificate.Certificate{nil, {}}, now, anyKey)); n != 1 {
		t.Fatalf("%d signers, want the CA: the test is void", n)
	}
	var none *certpath.Trust
	for name, paths := range map[string][]certpath.Path{
		"no trust":   none.CRLSigners(ca.RawSubject, read(ca), nil, now, anyKey),
		"zero trust": new(certpath.Trust).CRLSigners(ca.RawSubject, read(ca), []*certificate.Certificate{read(ca)}, now, anyKey),
		"no anchor":  trust.CRLSigners(ca.RawSubject, nil, nil, now, anyKey),
		"no time":    trust.CRLSigners(ca.RawSubject, read(ca), nil, time.Time{}, anyKey),
		"no name":    trust.CRLSigners(nil, read(ca), []*certificate.Certificate{nil, {}}, now, anyKey),
	} {
		if len(paths) != 0 {
			t.Errorf("%s: got %d signers", name, len(paths))
		}
	}
}

// TestCRLSignerOfVersionTwo: what its extensions forbid crypto/x509 does not
// read.
func TestCRLSignerOfVersionTwo(t *testing.T) {
	root := pki.NewCA("root")
	trust := certpath.NewTrust([]*certificate.Certificate{read(root)}, certpath.TrustOptions{})
	signer := read(root.Client("ca", usage(x509.KeyUsageCRLSign)))
	for version, want := range map[byte]int{2: 0, 3: 1} {
		var parts struct{ TBS, Algorithm, Signature asn1.RawValue }
		if _, err := asn1.Unmarshal(signer.Raw, &parts); err != nil {
			t.Fatal(err)
		}
		signed := bytes.Replace(parts.TBS.FullBytes, []byte{0xa0, 3, 2, 1, 2}, []byte{0xa0, 3, 2, 1, version - 1}, 1)
		digest := sha256.Sum256(signed)
		signature, err := root.Key.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := certificate.Parse(sequence(signed, parts.Algorithm.FullBytes, tlv(0, asn1.TagBitString, false, []byte{0}, signature)))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(trust.CRLSigners(cert.RawSubject, read(root), []*certificate.Certificate{cert}, now, anyKey)); got != want {
			t.Errorf("version %d: got %d signers, want %d", cert.Version, got, want)
		}
	}
}

// TestCRLSignersAreBounded: four of one name are tried, of ten presented
// ones.
func TestCRLSignersAreBounded(t *testing.T) {
	root := pki.NewCA("root")
	trust := certpath.NewTrust([]*certificate.Certificate{read(root)}, certpath.TrustOptions{})
	var signers, others []*certificate.Certificate
	for range 12 {
		signers = append(signers, read(root.Intermediate("ca")))
		others = append(others, read(root.Intermediate("another")))
	}
	find := func(presented ...*certificate.Certificate) int {
		return len(trust.CRLSigners(signers[0].RawSubject, read(root), presented, now, anyKey))
	}
	if got := find(signers...); got != 4 {
		t.Errorf("of 12 signers %d were tried, want 4", got)
	}
	if got := find(append(others[:9:9], signers[0])...); got != 1 {
		t.Errorf("a signer as the tenth certificate: got %d, want 1", got)
	}
	if got := find(append(others[:10:10], signers[0])...); got != 0 {
		t.Errorf("a signer as the eleventh certificate: got %d, want none", got)
	}
}

// TestConfigured goes by the bytes.
func TestConfigured(t *testing.T) {
	g := newGraph(t, "root other root>one one>leaf", nil)
	again := newGraph(t, "root", nil)
	copied, err := certificate.Parse(g.certs["root"].Raw)
	if err != nil {
		t.Fatal(err)
	}
	weak := pki.NewCA("weak", curve(elliptic.P224()))
	trust := certpath.NewTrust(append(g.list(t, "root root>one"), read(weak), &certificate.Certificate{}, nil), certpath.TrustOptions{})
	var none *certpath.Trust
	for _, test := range []struct {
		name  string
		trust *certpath.Trust
		cert  *certificate.Certificate
		want  bool
	}{
		{"an anchor", trust, g.certs["root"], true},
		{"a copy of it", trust, copied, true},
		{"an intermediate", trust, g.certs["root>one"], true},
		{"one that is too weak to trust", trust, read(weak), true},
		{"another", trust, g.certs["other"], false},
		{"another of the same name", trust, again.certs["root"], false},
		{"what a configured one issued", trust, g.certs["one>leaf"], false},
		{"nothing", trust, &certificate.Certificate{}, false},
		{"no trust", none, g.certs["root"], false},
	} {
		if got := test.trust.Configured(test.cert); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
	for edge, want := range map[string]bool{"root": true, "root>one": false, "other": false} {
		if got := trust.IsAnchor(g.certs[edge]); got != want {
			t.Errorf("%s is an anchor: %v, want %v", edge, got, want)
		}
	}
	if trust := certpath.NewTrust(readAll(weak), certpath.TrustOptions{AllowPartialChain: true}); trust.IsAnchor(read(weak)) {
		t.Error("one that is too weak to trust is an anchor")
	}
}

// anyKey is for tests in which it does not matter who signed.
func anyKey(*certificate.Certificate) bool { return true }

// TestSignersBehindOthersOfTheirName: certificates of the signer's name do not hide
// it, however many are configured before it.
func TestSignersBehindOthersOfTheirName(t *testing.T) {
	root := pki.NewCA("root")
	cas := []*certificate.Certificate{read(root)}
	signer := root.Client("inter", pki.With(func(c *x509.Certificate) { c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageCRLSign, nil }))
	for before := range 12 {
		trust := certpath.NewTrust(append(cas[:len(cas):len(cas)], read(signer)), certpath.TrustOptions{})
		signed := func(cert *certificate.Certificate) bool { return bytes.Equal(cert.Raw, signer.Raw) }
		if paths := trust.CRLSigners(signer.RawSubject, read(root), nil, time.Now(), signed); len(paths) != 1 {
			t.Errorf("behind %d certificates of its name: %d paths, want 1", before, len(paths))
		}
		cas = append(cas, read(root.Intermediate("inter")))
	}
}

// TestKeysForACRLAreAfforded: all of half a budget can be spent on the keys that were sent
// along, and none beyond it is tried, nor taken for a signer's.
func TestKeysForACRLAreAfforded(t *testing.T) {
	root, self := pki.NewCA("root"), pki.NewCA("ca")
	named := func(c elliptic.Curve, n int) (all []*certificate.Certificate) {
		for range n {
			all = append(all, read(root.Intermediate("ca", curve(c))))
		}
		return all
	}
	whole := slices.Concat(named(elliptic.P521(), 2), named(elliptic.P384(), 1), named(elliptic.P256(), 6))
	for _, test := range []struct {
		name       string
		configured []*certificate.Certificate
		presented  []*certificate.Certificate
		want       int
	}{
		{"all of it", nil, whole, 9},
		{"more than there is", nil, append(slices.Clone(whole), named(elliptic.P256(), 1)...), 9},
		{"three on P-521, of which two can be afforded", nil, named(elliptic.P521(), 3), 2},
		{"four on P-521 that are configured, and three more", named(elliptic.P521(), 4), named(elliptic.P521(), 3), 6},
	} {
		tried := 0
		trust := certpath.NewTrust(append(readAll(root), test.configured...), certpath.TrustOptions{})
		paths := trust.CRLSigners(self.RawSubject, read(root), test.presented, now, func(*certificate.Certificate) bool { tried++; return false })
		if tried != test.want || len(paths) != 0 {
			t.Errorf("%s: %d tried, want %d; %d paths, want none", test.name, tried, test.want, len(paths))
		}
	}
}

// TestConfiguredPathOfACRLSigner: where a configured signer has a path of configured
// certificates, that is the one, and no shorter one by what was sent.
func TestConfiguredPathOfACRLSigner(t *testing.T) {
	root := pki.NewCA("root")
	one := root.Intermediate("one")
	two := one.Intermediate("two")
	signer := two.Intermediate("ca")
	trust := certpath.NewTrust(readAll(root, one, two, signer), certpath.TrustOptions{})
	paths := trust.CRLSigners(signer.RawSubject, read(root), readAll(root.Intermediate("two", pki.Key(two.Key))), now, anyKey)
	if len(paths) != 1 || !slices.Equal(paths[0].Certificates, readAll(signer, two, one, root)) {
		t.Errorf("got %d paths, want the configured one", len(paths))
	}
}

//go:build !race

package certpath_test

import (
	"bytes"
	"crypto/elliptic"
	"encoding/pem"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// TestCostFromPEM is the whole of what a client makes us do: a leaf and a chain
// full of names, with constraints to compare them with, and then signatures
// that are as expensive as they can be.
func TestCostFromPEM(t *testing.T) {
	most, c := limit(t), elliptic.P521()
	names := func(one string, count int) pki.Option {
		return san(false, bytes.Repeat([]byte(one), count))
	}
	const uri, host, dns = "\x86\x00", "\x86\x06a://bc", "\x82\x03a.b"
	var bases [][]byte
	for range 900 {
		bases = append(bases, uriBase("x.yz"))
	}
	root := pki.NewCA("root", curve(c))
	// The client holds the key of ca, and the holder of that is free in what
	// it puts into certificates.
	ca := root.Intermediate("ca", curve(c))
	sub := ca.Intermediate("sub", curve(c), names(host, 3000))
	limited := ca.Intermediate("sub", curve(c), constraints(t, false, excluded(bases...)))
	configured := map[string]*certpath.Trust{
		"partial":      certpath.NewTrust([]*certificate.Certificate{read(root), read(ca)}, certpath.TrustOptions{AllowPartialChain: true}),
		"another root": certpath.NewTrust([]*certificate.Certificate{read(pki.NewCA("root"))}, certpath.TrustOptions{}),
	}
	for _, test := range []struct {
		name  string
		leaf  *pki.Certificate
		chain string
	}{
		{"empty URIs", sub.Client("leaf", names(uri, 23000)), sub.PEM() + ca.PEM()},
		{"a leaf and a chain that just fit", sub.Client("leaf", names(host, 3900)), sub.PEM() + ca.PEM()},
		{"names, and constraints for them", limited.Client("leaf", names(host, 110)), limited.PEM() + ca.PEM()},
		{"many names, and constraints for them", limited.Client("leaf", names(host, 3900)), limited.PEM() + ca.PEM()},
		{"DNS names", sub.Client("leaf", names(dns, 3900)), sub.PEM() + ca.PEM()},
		{"one name of 45 KB", sub.Client("leaf", san(false, uriBase("http://"+string(bytes.Repeat([]byte("a."), 22500))+"a"))), sub.PEM() + ca.PEM()},
		{"one attribute of 45 KB", sub.Client("leaf", subjectDN(t, "O="+string(bytes.Repeat([]byte("\xc3\xa4 "), 15000)))), sub.PEM() + ca.PEM()},
		{"one OID of 45 KB", limited.Client("leaf", san(false, context(8, false, bytes.Repeat([]byte{0xff}, 45000), []byte{1}))), limited.PEM() + ca.PEM()},
	} {
		text := test.leaf.PEM()
		for name, trust := range configured {
			var err error
			took := costOf(func() {
				var leaf *certificate.Certificate
				if leaf, err = certificate.ParseLeaf([]byte(text)); err == nil {
					chain, _ := certificate.ParseChain([]byte(test.chain), leaf)
					_, err = trust.Validate(leaf, chain, certpath.Options{Now: now})
				}
			})
			t.Logf("%s below %s: %v, %v", test.name, name, took, err)
			if took > most {
				t.Errorf("%s below %s: took %v", test.name, name, took)
			}
		}
	}
}

// TestAnchorsAreVerifiedOnce: a request makes another Trust whenever one of many
// configured certificates has changed.
func TestAnchorsAreVerifiedOnce(t *testing.T) {
	key := curve(elliptic.P384())
	var bundle []byte
	for range 100 {
		bundle = append(bundle, pki.NewCA("root", key).PEM()...)
	}
	parse := func() (cas []*certificate.Certificate) {
		for rest := bundle; ; {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				return cas
			}
			ca, err := certificate.Parse(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			cas = append(cas, ca)
		}
	}
	cas := parse()
	certpath.NewTrust(cas, certpath.TrustOptions{})
	cas = append(parse(), read(pki.NewCA("new")))
	again := costOf(func() { certpath.NewTrust(cas, certpath.TrustOptions{}) })
	t.Log(again)
	if again > 5*time.Millisecond {
		t.Errorf("100 anchors, verified before: %v", again)
	}
	// What is remembered is of the very certificate: a forged one with the
	// same name and key is not.
	forged := rebuild(t, cas[0], func(tbs []byte) []byte { return bytes.Replace(tbs, []byte("root"), []byte("Root"), 2) }, nil)
	leaf := (&pki.Certificate{Certificate: mustX509(t, forged.Raw), Key: pki.NewCA("x", key).Key}).Client("leaf")
	if _, err := certpath.NewTrust([]*certificate.Certificate{forged}, certpath.TrustOptions{}).Validate(read(leaf), nil, certpath.Options{Now: now}); err == nil {
		t.Error("a forged root counts as self-signed")
	}
}

//go:build !race

// The race detector slows some arithmetic more than other, so there is nothing
// to hold the time against.

package certpath_test

import (
	"crypto/elliptic"
	"fmt"
	"slices"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// TestGoodClientAmongBogusIssuers must pass whatever else carries the name of
// its issuer.
func TestGoodClientAmongBogusIssuers(t *testing.T) {
	for _, key := range []struct {
		name  string
		curve elliptic.Curve // or an RSA key
		bits  int
	}{
		{"P-256", elliptic.P256(), 0},
		{"P-384", elliptic.P384(), 0},
		{"RSA 2048", nil, 2048},
		{"RSA 4096", nil, 4096},
	} {
		root := pki.NewCA("root")
		good := root.Intermediate("ca")
		leaf := read(good.Client("leaf"))
		evil := pki.NewCA("ca")
		var bogus []*certificate.Certificate
		for i := range 10 {
			if key.curve == nil {
				bogus = append(bogus, bogusRSA(t, read(evil.Intermediate("ca")), key.bits, 65537, int64(i)))
				continue
			}
			bogus = append(bogus, read(evil.Intermediate("ca", curve(key.curve))))
		}
		cas := []*certificate.Certificate{read(root), read(good)}
		trust := certpath.NewTrust(cas, certpath.TrustOptions{})
		if _, err := trust.Validate(leaf, bogus, certpath.Options{Now: now}); err != nil {
			t.Errorf("%s: %v", key.name, err)
		}
		trust = certpath.NewTrust(cas[:1], certpath.TrustOptions{})
		var err error
		presented := append(slices.Clone(bogus[:9]), read(good))
		took := costOf(func() { _, err = trust.Validate(leaf, presented, certpath.Options{Now: now}) })
		if err != nil || took > limit(t) {
			t.Errorf("%s, the good one last: %v, %v", key.name, took, err)
		}
		t.Logf("%s: %v", key.name, took)
	}
}

// TestDeepPathWithExpensiveKeys is affordable: no search, just depth.
func TestDeepPathWithExpensiveKeys(t *testing.T) {
	key := curve(elliptic.P521())
	root := pki.NewCA("root", key)
	one := root.Intermediate("one", curve(elliptic.P521()))
	two := one.Intermediate("two", curve(elliptic.P521()))
	trust := certpath.NewTrust([]*certificate.Certificate{read(root)}, certpath.TrustOptions{})
	if _, err := trust.Validate(read(two.Client("leaf")), []*certificate.Certificate{read(two), read(one)}, certpath.Options{Now: now}); err != nil {
		t.Error(err)
	}
	// A certificate that may end a path and may continue it is checked twice.
	trust = certpath.NewTrust([]*certificate.Certificate{read(root), read(one)}, certpath.TrustOptions{AllowPartialChain: true})
	if paths, err := trust.Validate(read(one.Client("leaf")), nil, certpath.Options{Now: now}); err != nil || len(paths) != 2 {
		t.Error("partial chain: ", len(paths), err)
	}
}

// TestThousandCAs: configured certificates that do not matter cost nothing.
func TestThousandCAs(t *testing.T) {
	if testing.Short() {
		t.Skip("a test of cost")
	}
	root := pki.NewCA("root")
	one := root.Intermediate("one")
	leaf := read(one.Client("leaf"))
	cas := []*certificate.Certificate{read(root)}
	few := certpath.NewTrust(cas, certpath.TrustOptions{})
	for i := range 1000 {
		cas = append(cas, read(root.Intermediate(fmt.Sprint("ca", i))))
	}
	many := certpath.NewTrust(cas, certpath.TrustOptions{})
	presented := []*certificate.Certificate{read(one)}
	cost := func(trust *certpath.Trust) time.Duration {
		return costOf(func() {
			if _, err := trust.Validate(leaf, presented, certpath.Options{Now: now}); err != nil {
				t.Fatal(err)
			}
		})
	}
	if a, b := cost(few), cost(many); b > 2*a {
		t.Errorf("1 CA: %v, 1001 CAs: %v", a, b)
	} else {
		t.Logf("1 CA: %v, 1001 CAs: %v", a, b)
	}
}

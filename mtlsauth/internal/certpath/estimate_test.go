package certpath

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// countingCurve is P-256, and counts how often anything is asked of it.
type countingCurve struct {
	elliptic.Curve
	asked *int
}

func (c countingCurve) Params() *elliptic.CurveParams {
	*c.asked++
	return c.Curve.Params()
}

// TestEstimateIsWhatVerifyDoes counts the signature checks of crypto/x509 and
// holds the estimate against them: none too few, or the budget is no bound, and
// none too many, or good clients are refused.
func TestEstimateIsWhatVerifyDoes(t *testing.T) {
	newKey := func() pki.Option {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return pki.Key(key)
	}
	keys := []pki.Option{newKey(), newKey(), newKey()}
	root := pki.NewCA("root")
	one := root.Intermediate("one", keys[0])
	two := one.Intermediate("two", keys[1])
	three := two.Intermediate("three", keys[2])
	other := pki.NewCA("other")
	cross := other.Intermediate("one", keys[0])
	loop := three.Intermediate("one", keys[0])
	for _, test := range []struct {
		name    string
		leaf    *pki.Certificate
		cas     []*pki.Certificate
		partial bool
		want    int
	}{
		{"root", root.Client("leaf"), []*pki.Certificate{root}, true, 1},
		{"two levels", one.Client("leaf"), []*pki.Certificate{root, one}, false, 2},
		{"two levels, partial", one.Client("leaf"), []*pki.Certificate{root, one}, true, 3},
		{"three levels, partial", two.Client("leaf"), []*pki.Certificate{root, one, two}, true, 5},
		{"four levels, partial", three.Client("leaf"), []*pki.Certificate{root, one, two, three}, true, 7},
		{"cross-signed, partial", two.Client("leaf"), []*pki.Certificate{root, other, one, cross, two}, true, 8},
		{"loop, partial", three.Client("leaf"), []*pki.Certificate{root, one, two, three, loop}, true, 9},
	} {
		asked := 0
		var cas []*x509.Certificate
		for _, ca := range test.cas {
			cas = append(cas, ca.Certificate)
		}
		trust := NewTrust(cas, TrustOptions{AllowPartialChain: test.partial})
		const cost = 1_000_000 // next to which hashing is nothing
		for _, n := range trust.byRaw {
			n.cost = cost
			key := *n.view.PublicKey.(*ecdsa.PublicKey)
			key.Curve = countingCurve{elliptic.P256(), &asked}
			view := *n.view
			view.PublicKey, n.view = &key, &view
		}
		trust.roots, trust.intermediates = x509.NewCertPool(), x509.NewCertPool()
		for _, n := range trust.byRaw {
			if n.anchor {
				trust.roots.AddCert(n.view)
			}
			if n.intermediate {
				trust.intermediates.AddCert(n.view)
			}
		}
		// How often one check asks.
		issuer := trust.bySubject[string(test.leaf.RawIssuer)][0]
		if err := test.leaf.CheckSignatureFrom(issuer.view); err != nil {
			t.Fatal(err)
		}
		once := asked
		asked = 0

		s := newSearch(trust, test.leaf.Certificate, nil, time.Now())
		left := int64(100 * cost)
		if !s.estimate(s.leaf, nil, &left) {
			t.Fatalf("%s: not affordable", test.name)
		}
		estimated := int(100*cost-left) / cost
		if _, err := s.leaf.view.Verify(x509.VerifyOptions{
			Roots: trust.roots, Intermediates: trust.intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}); err != nil {
			t.Fatal(test.name, err)
		}
		if checks := asked / once; estimated != checks || checks != test.want {
			t.Errorf("%s: %d checks are estimated, %d made (%d expected)", test.name, estimated, checks, test.want)
		}
	}
}

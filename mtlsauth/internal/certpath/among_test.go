package certpath_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"slices"
	"strings"
	"testing"
)

// Among many CA certificates of one name the one that signed is found, however costly its
// keys are, where the signature tells; where it does not, the budget ends the search.
func TestAmongManyOfOneName(t *testing.T) {
	p521 := func() crypto.Signer { return newECDSA(elliptic.P521()) }
	p384 := func() crypto.Signer { return newECDSA(elliptic.P384()) }
	edwards := func() crypto.Signer {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	many := func(n int, key func() crypto.Signer) (all []*party) {
		for range n {
			all = append(all, newParty("ca", key()))
		}
		return all
	}
	of := func(parties ...[]*party) []*party { return slices.Concat(parties...) }
	client := newParty("client", p256())
	for _, test := range []struct {
		name   string
		cas    []*party
		signer int // index; -1 for another
		want   string
	}{
		{"P-521, the first", many(100, p521), 0, ""},
		{"P-521, the last", many(100, p521), 99, ""},
		{"P-521, none", many(100, p521), -1, "bad_signature"},
		{"P-384 among P-521", of(many(60, p521), many(1, p384), many(60, p521)), 60, ""},
		{"P-521 behind P-384", of(many(60, p384), many(60, p521)), 119, ""},
		{"P-521 between Ed25519", of(many(20, edwards), many(40, p521), many(20, edwards)), 59, ""},
		{"Ed25519, few", many(40, edwards), 39, ""},
		{"Ed25519, the last of too many", many(400, edwards), 399, "too_costly"},
		{"Ed25519, the first of too many", many(400, edwards), 0, ""},
		{"Ed25519, none of too many", many(400, edwards), -1, "too_costly"},
	} {
		t.Run(test.name, func(t *testing.T) {
			signer := newParty("ca", p521())
			if test.signer >= 0 {
				signer = test.cas[test.signer]
			}
			q := tuple{leaf: clientBy(signer, client).sign(signer.signer)}
			for _, ca := range test.cas {
				q.configured = append(q.configured, caBy(ca, ca).sign(ca.signer))
			}
			j := judge(q)
			if (j.err == nil) != (test.want == "") || j.err != nil && kindOf(j.err) != test.want {
				t.Errorf("got %v, want %q", j.err, test.want)
			}
			lines, _ := told(q)
			leftOut := slices.ContainsFunc(lines, func(line string) bool { return strings.HasSuffix(line, "left out: it would take too long") })
			if leftOut != (test.want == "too_costly") {
				t.Errorf("candidates left out: %v", leftOut)
			}
		})
	}
}

package certpath_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func curve(c elliptic.Curve) pki.Option {
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		panic(err)
	}
	return pki.Key(key)
}

func rsaKey(bits int) pki.Option {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return pki.Key(key)
}

func usage(u x509.KeyUsage) pki.Option {
	return pki.With(func(c *x509.Certificate) { c.KeyUsage = u })
}

func notCA() pki.Option { return pki.With(func(c *x509.Certificate) { c.IsCA = false }) }

func signedWith(a x509.SignatureAlgorithm) pki.Option {
	return pki.With(func(c *x509.Certificate) { c.SignatureAlgorithm = a })
}

func pathLength(n int) pki.Option {
	return pki.With(func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = n, n == 0 })
}

// netscapeType is the extension of old certificates with which OpenSSL's purposes began.
func netscapeType(der ...byte) pki.Option {
	return pki.Extension(pkix.Extension{Id: asn1.ObjectIdentifier{2, 16, 840, 1, 113730, 1, 1}, Value: der})
}

func unknownCritical() pki.Option {
	return pki.Extension(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}})
}

// TestRules breaks one thing of a good path of three certificates, root, one
// and leaf, per case. The key of root is that of the first option, if given.
func TestRules(t *testing.T) {
	root, one, leaf := "root", "root>one", "one>leaf"
	const good = "one>leaf root>one root"
	type options = map[string][]pki.Option
	eku := pki.ExtKeyUsage
	emptyEKU := pki.Extension(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Value: []byte{0x30, 0}})
	requireExplicit := pki.Extension(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 36}, Critical: true, Value: sequence(context(0, false, []byte{0}))})
	policy := func(c *x509.Certificate) {
		oid, err := x509.OIDFromInts([]uint64{1, 2, 3})
		if err != nil {
			panic(err)
		}
		c.Policies = []x509.OID{oid}
	}
	weak1024 := rsaKey(1024)
	odd := rsaKey(2052)
	for _, test := range []struct {
		name    string
		options options
		want    string
	}{
		{"nothing", nil, good},
		{"expired leaf", options{leaf: {pki.Expired()}}, "expired"},
		{"expired intermediate", options{one: {pki.Expired()}}, "expired"},
		{"expired anchor", options{root: {pki.Expired()}}, "expired"},
		{"leaf not yet valid", options{leaf: {pki.NotYetValid()}}, "not_yet_valid"},
		{"intermediate not yet valid", options{one: {pki.NotYetValid()}}, "not_yet_valid"},
		{"anchor not yet valid", options{root: {pki.NotYetValid()}}, "not_yet_valid"},

		{"no extended key usage", options{leaf: {eku()}}, good},
		{"any extended key usage", options{leaf: {eku(x509.ExtKeyUsageAny)}}, good},
		{"server authentication alone", options{leaf: {eku(x509.ExtKeyUsageServerAuth)}}, "wrong_usage"},
		{"an unknown usage alone", options{leaf: {eku(), pki.With(func(c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3}} })}}, "wrong_usage"},
		{"an empty list of usages", options{leaf: {eku(), emptyEKU}}, "wrong_usage"},
		{"an empty list above", options{one: {emptyEKU}}, "wrong_usage"},
		{"nested usage that allows it", options{one: {eku(x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth)}}, good},
		{"nested usage that does not", options{one: {eku(x509.ExtKeyUsageServerAuth)}}, "wrong_usage"},
		{"anchor's usage that does not", options{root: {eku(x509.ExtKeyUsageServerAuth)}}, "wrong_usage"},
		{"leaf may sign certificates", options{leaf: {usage(x509.KeyUsageCertSign)}}, "wrong_usage"},
		{"no key usage", options{leaf: {usage(0)}, one: {usage(0)}, root: {usage(0)}}, good},

		{"intermediate is not a CA", options{one: {notCA(), usage(0)}}, "constraint"},
		{"anchor is not a CA", options{root: {notCA(), usage(0)}}, "constraint"},
		{"intermediate may not sign certificates", options{one: {usage(x509.KeyUsageCRLSign)}}, "constraint"},
		{"anchor may not sign certificates", options{root: {usage(x509.KeyUsageCRLSign)}}, "constraint"},
		{"path length that suffices", options{root: {pathLength(1)}, one: {pathLength(0)}}, good},
		{"path length of the anchor", options{root: {pathLength(0)}}, "constraint"},
		{"unknown critical extension in the leaf", options{leaf: {unknownCritical()}}, "constraint"},
		{"unknown critical extension in the intermediate", options{one: {unknownCritical()}}, "constraint"},
		{"unknown critical extension in the anchor", options{root: {unknownCritical()}}, "constraint"},
		{"explicit policy is required and absent", options{one: {requireExplicit}}, "constraint"},
		{"explicit policy is required and present", options{one: {requireExplicit, pki.With(policy)}, leaf: {pki.With(policy)}}, good},

		{"Netscape type of clients", options{leaf: {netscapeType(3, 2, 7, 0x80)}}, good},
		{"Netscape type of clients and servers", options{leaf: {netscapeType(3, 2, 6, 0xc0)}}, good},
		{"Netscape type of servers", options{leaf: {netscapeType(3, 2, 6, 0x40)}}, "wrong_usage"},
		{"malformed Netscape type", options{leaf: {netscapeType(4, 1, 0x80)}}, "wrong_usage"},

		{"RSA 1024 leaf", options{leaf: {weak1024}}, "weak_algorithm"},
		{"RSA 1024 intermediate", options{one: {weak1024}}, "weak_algorithm"},
		{"RSA 1024 anchor", options{root: {weak1024}}, "weak_algorithm"},
		{"RSA 2052 leaf", options{leaf: {odd}}, "weak_algorithm"},
		{"RSA 2052 intermediate", options{one: {odd}}, "weak_algorithm"},
		{"RSA 2052 anchor", options{root: {odd}}, good},
		{"P-224 leaf", options{leaf: {curve(elliptic.P224())}}, "weak_algorithm"},
		{"P-224 intermediate", options{one: {curve(elliptic.P224())}}, "weak_algorithm"},
		{"P-224 anchor", options{root: {curve(elliptic.P224())}}, "weak_algorithm"},
		{"P-384, P-521 and Ed25519", options{leaf: {curve(elliptic.P384())}, one: {ed25519Key()}, root: {curve(elliptic.P521())}}, good},
		{"RSA", options{leaf: {rsaKey(2048)}, one: {rsaKey(2048)}, root: {rsaKey(2048)}}, good},
		{"SHA-1 on the leaf", options{leaf: {signedWith(x509.ECDSAWithSHA1)}}, "weak_algorithm"},
		{"SHA-1 on the intermediate", options{one: {signedWith(x509.ECDSAWithSHA1)}}, "weak_algorithm"},
		{"SHA-1 on the anchor", options{root: {signedWith(x509.ECDSAWithSHA1)}}, good},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newGraph(t, "root root>one one>leaf", test.options)
			trust := certpath.NewTrust(g.list(t, root), certpath.TrustOptions{})
			paths, err := trust.Validate(g.certs[leaf], g.list(t, one), certpath.Options{Now: now})
			if got := outcome(g, paths, err); got != test.want {
				t.Errorf("presented: got %q, want %q (%v)", got, test.want, err)
			}
			if test.name == "RSA 2052 intermediate" {
				return // what is configured may have that size
			}
			trust = certpath.NewTrust(g.list(t, root+" "+one), certpath.TrustOptions{})
			paths, err = trust.Validate(g.certs[leaf], nil, certpath.Options{Now: now})
			if got := outcome(g, paths, err); got != test.want {
				t.Errorf("configured: got %q, want %q (%v)", got, test.want, err)
			}
		})
	}
}

func TestBadSignature(t *testing.T) {
	g := newGraph(t, "root root>one one>leaf", nil)
	forger := newGraph(t, "root root>one one>leaf root>leaf", nil)
	trust := certpath.NewTrust(g.list(t, "root"), certpath.TrustOptions{})
	for _, test := range []struct {
		name      string
		presented []*certificate.Certificate
		want      string
	}{
		{"the real intermediate", g.list(t, "root>one"), "bad_signature"},
		{"the forger's", forger.list(t, "root>one"), "bad_signature"},
		{"both", append(g.list(t, "root>one"), forger.list(t, "root>one")...), "bad_signature"},
		// A whole chain, to a root that is not configured.
		{"the forger's root as well", forger.list(t, "root>one root"), "issuer_not_found"},
	} {
		if _, err := trust.Validate(forger.certs["one>leaf"], test.presented, certpath.Options{Now: now}); kindOf(err) != test.want {
			t.Errorf("%s: got %v, want %s", test.name, err, test.want)
		}
	}
	_, err := trust.Validate(forger.certs["root>leaf"], nil, certpath.Options{Now: now})
	if kindOf(err) != "bad_signature" {
		t.Errorf("got %v", err)
	}
}

func TestMinRSABits(t *testing.T) {
	g := newGraph(t, "root root>leaf", map[string][]pki.Option{"root>leaf": {rsaKey(2048)}, "root": {rsaKey(3072)}})
	for bits, want := range map[int]string{0: "root>leaf root", 2048: "root>leaf root", 3072: "weak_algorithm", 4096: "weak_algorithm"} {
		trust := certpath.NewTrust(g.list(t, "root"), certpath.TrustOptions{MinRSABits: bits})
		paths, err := trust.Validate(g.certs["root>leaf"], nil, certpath.Options{Now: now})
		if got := outcome(g, paths, err); got != want {
			t.Errorf("%d: got %q, want %q", bits, got, want)
		}
	}
}

// TestDatesAreInclusive pins both ends (RFC 5280, section 4.1.2.5).
func TestDatesAreInclusive(t *testing.T) {
	g := newGraph(t, "root root>leaf", nil)
	leaf := g.certs["root>leaf"]
	long := pki.Valid(now.Add(-1000*time.Hour), now.Add(1000*time.Hour))
	g = newGraph(t, "root root>leaf", map[string][]pki.Option{"root": {long}, "root>leaf": {pki.Valid(leaf.NotBefore, leaf.NotAfter)}})
	leaf = g.certs["root>leaf"]
	trust := certpath.NewTrust(g.list(t, "root"), certpath.TrustOptions{})
	for _, test := range []struct {
		at   time.Time
		want string
	}{
		{leaf.NotBefore, "root>leaf root"},
		{leaf.NotBefore.Add(-time.Nanosecond), "not_yet_valid"},
		{leaf.NotAfter, "root>leaf root"},
		{leaf.NotAfter.Add(time.Nanosecond), "expired"},
	} {
		paths, err := trust.Validate(leaf, nil, certpath.Options{Now: test.at})
		if got := outcome(g, paths, err); got != test.want {
			t.Errorf("%v: got %q, want %q", test.at, got, test.want)
		}
	}
}

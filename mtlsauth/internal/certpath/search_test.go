package certpath_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"testing"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// TestReasonNamesTheCertificate: the reason is that of what came closest to a
// path, and says which certificate it is about.
func TestReasonNamesTheCertificate(t *testing.T) {
	expired := []pki.Option{pki.Expired()}
	for _, test := range []struct {
		name       string
		edges      string
		options    map[string][]pki.Option
		configured string
		presented  string
		leaf       string
		want       string // kind, and the certificate it is about
	}{
		{"the leaf's issuer is not known", "root one one>leaf", nil, "root", "", "one>leaf", "issuer_not_found one>leaf"},
		{"the intermediate's issuer is not known", "root other other>one one>leaf", nil, "root", "other>one", "one>leaf", "issuer_not_found other>one"},
		{"a root that is not configured", "root other other>one one>leaf", nil, "root", "other>one other", "one>leaf", "issuer_not_found other"},
		{"the leaf is expired", "root root>leaf", map[string][]pki.Option{"root>leaf": expired}, "root", "", "root>leaf", "expired root>leaf"},
		{"the intermediate is expired", "root root>one one>leaf", map[string][]pki.Option{"root>one": expired}, "root root>one", "", "one>leaf", "expired root>one"},
		{"the root is expired", "root root>one one>leaf", map[string][]pki.Option{"root": expired}, "root", "root>one", "one>leaf", "expired root"},
		{"an expired one beside one that leads nowhere", "root other root>one other>one one>leaf", map[string][]pki.Option{"root>one": expired}, "root", "other>one root>one", "one>leaf", "expired root>one"},
		{"an expired one beside one whose path is too long", "root root>one two root>two two>one one>leaf", map[string][]pki.Option{"root>one": expired, "root>two": {pathLength(0)}},
			"root", "root>one two>one root>two", "one>leaf", "constraint root>two"},
		{"an unknown critical extension of the intermediate", "root root>one one>leaf", map[string][]pki.Option{"root>one": {unknownCritical()}}, "root", "root>one", "one>leaf", "constraint root>one"},
		{"an expired one of another key", "root other root>leaf", map[string][]pki.Option{"other": {subjectDN(t, "CN=root"), pki.Expired()}}, "other", "", "root>leaf", "bad_signature root>leaf"},
		{"two that are too long", "a b a>one b>one one>two two>leaf", map[string][]pki.Option{"a": {pathLength(0)}, "b": {pathLength(0)}}, "a b", "a>one b>one one>two", "two>leaf", "constraint a"},
		{"a client that signed itself and sends itself along", "root leaf", map[string][]pki.Option{"leaf": {notCA(), usage(x509.KeyUsageDigitalSignature)}}, "root", "leaf", "leaf", "issuer_not_found leaf"},
		{"a name of the leaf", "root root>one one>leaf", map[string][]pki.Option{"root>one": {constraints(t, true, excluded(dnsBase("a.org")))}, "one>leaf": {pki.DNS("a.org")}},
			"root", "root>one", "one>leaf", "constraint one>leaf"},
		{"a weak key of the intermediate", "root root>one one>leaf", map[string][]pki.Option{"root>one": {curve(elliptic.P224())}}, "root", "root>one", "one>leaf", "weak_algorithm root>one"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newGraph(t, test.edges, test.options)
			_, err := certpath.NewTrust(g.list(t, test.configured), certpath.TrustOptions{}).
				Validate(g.certs[test.leaf], g.list(t, test.presented), certpath.Options{Now: now})
			refused, ok := err.(*certpath.Error)
			if !ok {
				t.Fatalf("got %v", err)
			}
			about := "none"
			for edge, cert := range g.certs {
				if cert == refused.Certificate {
					about = edge
				}
			}
			if got := refused.Kind.String() + " " + about; got != test.want {
				t.Errorf("got %s, want %s (%v)", got, test.want, err)
			}
		})
	}
}

// TestCriticalExtensionIsNamed: the log says which one was not understood.
func TestCriticalExtensionIsNamed(t *testing.T) {
	g := newGraph(t, "root root>leaf", map[string][]pki.Option{"root>leaf": {unknownCritical()}})
	_, err := certpath.NewTrust(g.list(t, "root"), certpath.TrustOptions{}).Validate(g.certs["root>leaf"], nil, certpath.Options{Now: now})
	if want := "validating client certificate: critical extension 1.2.3 is not understood"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
}

// TestIdentifiersOnlyChoose: one that fits no certificate refuses none, and one
// that fits is tried first, so that the most expensive keys do not matter.
func TestIdentifiersOnlyChoose(t *testing.T) {
	root, client := newParty("root", newECDSA(elliptic.P521())), newParty("client", p256())
	wrong := extAuthorityKeyID([]byte("of another key"))
	rootDER := caBy(root, root, extSubjectKeyID(keyID(root))).sign(root.signer)
	for name, leaf := range map[string][]byte{
		"none":      clientBy(root, client).sign(root.signer),
		"right":     clientBy(root, client, extAuthorityKeyID(keyID(root))).sign(root.signer),
		"wrong":     clientBy(root, client, wrong).sign(root.signer),
		"malformed": clientBy(root, client, extensionDER("2.5.29.35", false, []byte{1, 2})).sign(root.signer),
		"by name and number": clientBy(root, client, extensionDER("2.5.29.35", false,
			sequence(context(1, true, context(4, true, root.name)), context(2, false, []byte{9})))).sign(root.signer),
	} {
		q := tuple{leaf: leaf, configured: [][]byte{rootDER}}
		if j := judge(q); j.err != nil || len(j.paths) != 1 {
			t.Errorf("%s: %d paths, %v", name, len(j.paths), j.err)
		}
	}
}

// TestOneKeyInTwoEncodings: a certificate is signed with a key, not with its encoding.
// A key for RSASSA-PSS alone signs nothing else.
func TestOneKeyInTwoEncodings(t *testing.T) {
	key := rsaSigner(2048, 0)
	pkcs1 := sequence(oid("1.2.840.113549.1.1.1"), null)
	rsaPSS := oid("1.2.840.113549.1.1.10")
	plain := signerOf(key)
	sha256 := sequence(oid("2.16.840.1.101.3.4.2.1"), null)
	pss := signer{key, sequence(rsaPSS, sequence(
		context(0, true, sha256), context(1, true, sequence(oid("1.2.840.113549.1.1.8"), sha256)), context(2, true, mustMarshal(32)),
	)), crypto.SHA256, &rsa.PSSOptions{SaltLength: 32, Hash: crypto.SHA256}}
	for _, test := range []struct {
		name          string
		first, second []byte // AlgorithmIdentifiers of the key; the first issuer leads nowhere
		by            signer // of the leaf
		want          bool
	}{
		{"once without the NULL", pkcs1, sequence(oid("1.2.840.113549.1.1.1")), plain, true},
		{"then for RSASSA-PSS alone", pkcs1, sequence(rsaPSS), pss, true},
		{"then for every scheme", sequence(rsaPSS), pkcs1, pss, true},
		{"then for RSASSA-PSS alone, of PKCS #1", pkcs1, sequence(rsaPSS), plain, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			root, stranger, client := newParty("root", p256()), newParty("stranger", p256()), newParty("client", p256())
			with := func(algorithm []byte) *party {
				p := *newParty("one", key)
				p.spki = sequence(bytes.Replace(p.spki[4:], pkcs1, algorithm, 1))
				return &p
			}
			q := tuple{
				leaf:       clientBy(with(pkcs1), client).sign(test.by),
				presented:  [][]byte{caBy(stranger, with(test.first)).sign(stranger.signer), caBy(root, with(test.second)).sign(root.signer)},
				configured: [][]byte{caBy(root, root).sign(root.signer)},
			}
			if j := judge(q); (j.err == nil) != test.want {
				t.Errorf("got %v, want a path: %v", j.err, test.want)
			}
		})
	}
}

// TestRequiredPolicies: a path has to be valid for one of them.
func TestRequiredPolicies(t *testing.T) {
	a, b := certificate.OID("\x2a\x03\x04"), certificate.OID("\x2a\x03\x05") // 1.2.3.4, 1.2.3.5
	policy := func(dotted ...string) []byte {
		var list [][]byte
		for _, id := range dotted {
			list = append(list, sequence(oid(id)))
		}
		return extensionDER("2.5.29.32", false, sequence(list...))
	}
	mapping := extensionDER("2.5.29.33", true, sequence(sequence(oid("1.2.3.4"), oid("1.2.3.9"))))
	inhibit := extensionDER("2.5.29.54", true, []byte{2, 1, 0})
	require := extensionDER("2.5.29.36", true, sequence(context(0, false, []byte{0})))
	const anyPolicy = "2.5.29.32.0"
	for _, test := range []struct {
		name      string
		one, leaf [][]byte
		inputs    certpath.PolicyInputs
		want      bool
	}{
		{"nothing asked, nothing asserted", nil, nil, certpath.PolicyInputs{}, true},
		{"nothing asserted", nil, nil, certpath.PolicyInputs{Explicit: true}, false},
		{"asserted by both", [][]byte{policy("1.2.3.4")}, [][]byte{policy("1.2.3.4")}, certpath.PolicyInputs{Explicit: true, Initial: []certificate.OID{a}}, true},
		{"any asked for", [][]byte{policy("1.2.3.4")}, [][]byte{policy("1.2.3.4")}, certpath.PolicyInputs{Explicit: true}, true},
		{"another asked for", [][]byte{policy("1.2.3.4")}, [][]byte{policy("1.2.3.4")}, certpath.PolicyInputs{Explicit: true, Initial: []certificate.OID{b}}, false},
		{"another asked for, not required", [][]byte{policy("1.2.3.4")}, [][]byte{policy("1.2.3.4")}, certpath.PolicyInputs{Initial: []certificate.OID{b}}, true},
		{"one of two", [][]byte{policy("1.2.3.4", "1.2.3.5")}, [][]byte{policy("1.2.3.5")}, certpath.PolicyInputs{Explicit: true, Initial: []certificate.OID{a, b}}, true},
		{"asserted by the leaf alone", nil, [][]byte{policy("1.2.3.4")}, certpath.PolicyInputs{Explicit: true, Initial: []certificate.OID{a}}, false},
		{"asserted by the issuer alone", [][]byte{policy("1.2.3.4")}, nil, certpath.PolicyInputs{Explicit: true, Initial: []certificate.OID{a}}, false},
		{"anyPolicy above", [][]byte{policy(anyPolicy)}, [][]byte{policy("1.2.3.4")}, certpath.PolicyInputs{Explicit: true, Initial: []certificate.OID{a}}, true},
		{"anyPolicy above, inhibited", [][]byte{policy(anyPolicy)}, [][]byte{policy("1.2.3.4")}, certpath.PolicyInputs{Explicit: true, Initial: []certificate.OID{a}, InhibitAny: true}, false},
		{"anyPolicy in the leaf", [][]byte{policy("1.2.3.4")}, [][]byte{policy(anyPolicy)}, certpath.PolicyInputs{Explicit: true, Initial: []certificate.OID{a}}, true},
		{"anyPolicy in the leaf, inhibited by its issuer", [][]byte{policy("1.2.3.4"), inhibit}, [][]byte{policy(anyPolicy)}, certpath.PolicyInputs{Explicit: true, Initial: []certificate.OID{a}}, false},
		{"mapped", [][]byte{policy("1.2.3.4"), mapping}, [][]byte{policy("1.2.3.9")}, certpath.PolicyInputs{Explicit: true, Initial: []certificate.OID{a}}, true},
		{"mapped, inhibited", [][]byte{policy("1.2.3.4"), mapping}, [][]byte{policy("1.2.3.9")}, certpath.PolicyInputs{Explicit: true, Initial: []certificate.OID{a}, InhibitMapping: true}, false},
		{"asserted twice", [][]byte{policy("1.2.3.4", "1.2.3.4")}, [][]byte{policy("1.2.3.4")}, certpath.PolicyInputs{Explicit: true, Initial: []certificate.OID{a}}, true},
		{"anyPolicy asked for by name", [][]byte{policy("1.2.3.4")}, [][]byte{policy("1.2.3.4")}, certpath.PolicyInputs{Explicit: true, Initial: []certificate.OID{certificate.AnyPolicy}}, true},
		{"anyPolicy asked for by name, nothing asserted", nil, nil, certpath.PolicyInputs{Explicit: true, Initial: []certificate.OID{certificate.AnyPolicy}}, false},
		{"mapped where anyPolicy is asserted", [][]byte{policy(anyPolicy), mapping}, [][]byte{policy("1.2.3.9")}, certpath.PolicyInputs{Explicit: true, Initial: []certificate.OID{a}}, true},
		{"mapped where anyPolicy is asserted, the policy of the issuer's domain", [][]byte{policy(anyPolicy), mapping}, [][]byte{policy("1.2.3.4")}, certpath.PolicyInputs{Explicit: true, Initial: []certificate.OID{a}}, true},
		{"mapped where anyPolicy is asserted, another asked for", [][]byte{policy(anyPolicy), mapping}, [][]byte{policy("1.2.3.9")}, certpath.PolicyInputs{Explicit: true, Initial: []certificate.OID{b}}, false},
		{"required by the leaf", nil, [][]byte{require}, certpath.PolicyInputs{}, false},
		{"required by the leaf, asserted by both", [][]byte{policy("1.2.3.4")}, [][]byte{policy("1.2.3.4"), require}, certpath.PolicyInputs{}, true},
		{"required by the issuer", [][]byte{require}, nil, certpath.PolicyInputs{}, false},
		{"required of the leaf's own, asserted by none, another flag", nil, [][]byte{extensionDER("2.5.29.36", true, sequence(context(1, false, []byte{0})))}, certpath.PolicyInputs{}, true},
		{"required two certificates below the issuer", [][]byte{extensionDER("2.5.29.36", true, sequence(context(0, false, []byte{2})))}, nil, certpath.PolicyInputs{}, true},
		{"unreadable and not needed", [][]byte{extensionDER("2.5.29.32", false, []byte{1, 2})}, [][]byte{policy("1.2.3.4")}, certpath.PolicyInputs{}, true},
		{"unreadable", [][]byte{policy("1.2.3.4")}, [][]byte{extensionDER("2.5.29.32", false, []byte{1, 2})}, certpath.PolicyInputs{Explicit: true}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			root, one, client := newParty("root", p256()), newParty("one", p256()), newParty("client", p256())
			trust := certpath.NewTrust(parseEach([][]byte{caBy(root, root).sign(root.signer)}), certpath.TrustOptions{})
			leaf, err := parse(clientBy(one, client, test.leaf...).sign(one.signer))
			if err != nil {
				t.Fatal(err)
			}
			_, err = trust.Validate(leaf, parseEach([][]byte{caBy(root, one, test.one...).sign(root.signer)}), certpath.Options{Now: now, Policies: test.inputs})
			if (err == nil) != test.want || err != nil && kindOf(err) != "constraint" {
				t.Errorf("got %v, want a path %v", err, test.want)
			}
		})
	}
}

// TestRequiredPoliciesOfAnAnchor: a client that is a trust anchor itself is asked for what
// it asserts.
func TestRequiredPoliciesOfAnAnchor(t *testing.T) {
	policies := extensionDER("2.5.29.32", false, sequence(sequence(oid("1.2.3.4"))))
	a, b := certificate.OID("\x2a\x03\x04"), certificate.OID("\x2a\x03\x05")
	for _, test := range []struct {
		name     string
		asserted [][]byte
		inputs   certpath.PolicyInputs
		want     string
	}{
		{"asserted", [][]byte{policies}, certpath.PolicyInputs{Explicit: true, Initial: []certificate.OID{a}}, "1 path"},
		{"another asked for", [][]byte{policies}, certpath.PolicyInputs{Explicit: true, Initial: []certificate.OID{b}}, "constraint"},
		{"nothing asserted", nil, certpath.PolicyInputs{Explicit: true}, "constraint"},
		{"nothing asserted, not required", nil, certpath.PolicyInputs{Initial: []certificate.OID{b}}, "1 path"},
		{"nothing asserted, required by itself, which is not processed", [][]byte{extensionDER("2.5.29.36", true, sequence(context(0, false, []byte{0})))}, certpath.PolicyInputs{}, "1 path"},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := newParty("root", p256())
			anchor := parseEach([][]byte{caBy(root, root, test.asserted...).sign(root.signer)})
			paths, err := certpath.NewTrust(anchor, certpath.TrustOptions{}).Validate(anchor[0], nil, certpath.Options{Now: now, Policies: test.inputs})
			got := fmt.Sprint(len(paths), " path")
			if err != nil {
				got = kindOf(err)
			}
			if got != test.want {
				t.Errorf("got %s (%v), want %s", got, err, test.want)
			}
		})
	}
}

// TestManyPolicies: what a client says about policies does not cost more than the budget,
// and nothing where no policy is required.
func TestManyPolicies(t *testing.T) {
	many := make([][]byte, 18_000)
	for i := range many {
		many[i] = sequence(oid("1.2"))
	}
	root, client := newParty("root", p256()), newParty("client", p256())
	trust := certpath.NewTrust(parseEach([][]byte{caBy(root, root).sign(root.signer)}), certpath.TrustOptions{})
	leaf := parseEach([][]byte{clientBy(root, client, extensionDER("2.5.29.32", false, sequence(many...))).sign(root.signer)})[0]
	if _, err := trust.Validate(leaf, nil, certpath.Options{Now: now}); err != nil {
		t.Errorf("not required: %v", err)
	}
	if _, err := trust.Validate(leaf, nil, certpath.Options{Now: now, Policies: certpath.PolicyInputs{Explicit: true}}); err == nil || kindOf(err) != "too_costly" {
		t.Errorf("required: got %v, want too_costly", err)
	}
}

// TestMappingsThatMultiply: three policies that are each mapped to all three have 3^n ways
// through n certificates, which would take years.
func TestMappingsThatMultiply(t *testing.T) {
	var policies, mappings [][]byte
	for _, from := range []string{"1.2.3.4", "1.2.3.5", "1.2.3.6"} {
		policies = append(policies, sequence(oid(from)))
		for _, to := range []string{"1.2.3.4", "1.2.3.5", "1.2.3.6"} {
			mappings = append(mappings, sequence(oid(from), oid(to)))
		}
	}
	asserted := extensionDER("2.5.29.32", false, sequence(policies...))
	mapped := extensionDER("2.5.29.33", true, sequence(mappings...))
	above := newParty("root", p256())
	cas := [][]byte{caBy(above, above).sign(above.signer)}
	for i := range 28 {
		ca := newParty(fmt.Sprint("ca ", i), p256())
		cas = append(cas, caBy(above, ca, asserted, mapped).sign(above.signer))
		above = ca
	}
	leaf := parseEach([][]byte{clientBy(above, newParty("client", p256()), asserted).sign(above.signer)})[0]
	trust := certpath.NewTrust(parseEach(cas), certpath.TrustOptions{})
	for last, want := range map[byte]string{4: "", 9: "constraint"} {
		inputs := certpath.PolicyInputs{Explicit: true, Initial: []certificate.OID{certificate.OID("\x2a\x03" + string(last))}}
		_, err := trust.Validate(leaf, nil, certpath.Options{Now: now, Policies: inputs})
		if got := ""; err != nil {
			if got = kindOf(err); got != want {
				t.Errorf("1.2.3.%d: got %v, want %q", last, err, want)
			}
		} else if want != "" {
			t.Errorf("1.2.3.%d: accepted, want %s", last, want)
		}
	}
}

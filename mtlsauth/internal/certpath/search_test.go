package certpath_test

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rsa"
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

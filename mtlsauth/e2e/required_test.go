package e2e

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// A mesh: two trust domains, whose CAs each claim the other's IDs.
func TestTrustDomains(t *testing.T) {
	t.Parallel()
	one, two := pki.NewCA("one"), pki.NewCA("two")
	domains := object{"spiffe_trust_domains": []object{
		{"trust_domain": "one.example", "ca_certificates": []string{idA}},
		{"trust_domain": "two.example", "ca_certificates": []string{strings.ToUpper(idB)}},
	}}
	ids := []string{idA, idB}
	r := newRig(t, cas{idA: one, idB: two}, routes{
		"/skip":      trusted(ids, domains),
		"/consumer":  matching(ids, domains, object{"consumer_by": []string{"custom_id"}}),
		"/acl":       trusted(ids, domains),
		"/anonymous": matching(ids, domains, object{"anonymous": "guest"}),
		"/wrong":     trusted([]string{idA}, domains),
	}, with(t, consumers(consumer(idAlice, "alice", object{"custom_id": "spiffe://one.example/alice"}), consumer(idGuest, "guest")),
		also("/acl", object{"name": "acl", "config": object{"allow": []string{"spiffe://one.example/alice"}}})))
	svid := func(ca *pki.Certificate, id string, more ...pki.Option) *pki.Certificate {
		return ca.Client("", append([]pki.Option{pki.Subject(pkix.Name{}), pki.URI(id)}, more...)...)
	}
	alice := svid(one, "spiffe://one.example/alice")
	claims := svid(two, "spiffe://one.example/alice")
	byDNS := svid(two, "spiffe://two.example/mallory", pki.DNS("spiffe://one.example/alice")) // IA5String has room for it
	named := two.Client("spiffe://one.example/alice", pki.URI("spiffe://two.example/mallory"))

	for _, test := range []struct {
		name, path string
		cert       *pki.Certificate
		status     int
		message    string
		reason     string
		seen       map[string]string
	}{
		{"its own CA", "/skip", alice, 200, "", "", map[string]string{"X-Client-Cert-San": "spiffe://one.example/alice", "X-Client-Cert-Dn": ""}},
		{"another name of the certificate", "/skip", byDNS, 200, "", "", map[string]string{"X-Client-Cert-San": "spiffe://two.example/mallory", "X-Client-Cert-Dn": ""}},
		{"two claims an ID of one", "/skip", claims, 401, failed, "spiffe_id", nil},
		{"one claims an ID of two", "/skip", svid(one, "spiffe://two.example/bob"), 401, failed, "spiffe_id", nil},
		{"no SPIFFE ID", "/skip", one.Client("alice"), 401, failed, "spiffe_id", nil},
		{"anonymous", "/anonymous", claims, 200, "", "spiffe_id", map[string]string{"X-Consumer-Username": "guest", "X-Anonymous-Consumer": "true"}},
		{"a consumer", "/consumer", alice, 200, "", "", map[string]string{"X-Consumer-Username": "alice"}},
		{"the consumer of another domain, by a DNS name", "/consumer", byDNS, 401, failed, "no_consumer", nil},
		{"a group", "/acl", alice, 200, "", "", nil},
		{"the group of another domain, by the subject", "/acl", named, 403, "You cannot consume this service", "", nil},
		{"a CA that is not in ca_certificates", "/wrong", alice, 500, internal, "bad_config", nil},
	} {
		before := len(r.pluginLines())
		got := r.get(test.path, test.cert)
		r.expect(test.name, got, test.status, test.message)
		for name, value := range test.seen {
			if got.seen.Get(name) != value {
				t.Errorf("%s: the upstream sees %s: %q, want %q", test.name, name, got.seen.Get(name), value)
			}
		}
		switch {
		case test.reason != "":
			r.expectLog(test.name, `reason="`+test.reason+`"`)
		case len(r.pluginLines()) != before:
			r.t.Errorf("%s: logged %q", test.name, r.pluginLines()[before:])
		}
	}
	r.expectLog("the last", `"bbbbbbbb-0000-4000-8000-000000000002\" must also be in config.ca_certificates`)
}

func TestRequiredPoliciesAndUsages(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	policy, err := x509.ParseOID("0.4.0.194112.1.0")
	if err != nil {
		t.Fatal(err)
	}
	asserts := pki.With(func(c *x509.Certificate) { c.Policies = []x509.OID{policy} })
	issuing, silent := root.Intermediate("issuing", asserts), root.Intermediate("silent")
	r := newRig(t, cas{idA: root}, routes{
		"/policy": trusted([]string{idA}, object{"required_policies": []string{"1.2.3", "0.4.0.194112.1.0"}}),
		"/usage":  trusted([]string{idA}, object{"required_extended_key_usages": []string{"emailProtection", "1.3.6.1.5.5.7.3.2"}}),
	})
	for _, test := range []struct {
		name, path string
		cert       *pki.Certificate
		reason     string // "" for a pass
	}{
		{"the policy all along the path", "/policy", issuing.Client("a", asserts), ""},
		{"not by the client", "/policy", issuing.Client("a"), "constraint"},
		{"not by the intermediate", "/policy", silent.Client("a", asserts), "constraint"},
		{"both usages", "/usage", root.Client("a", pki.ExtKeyUsage(x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageEmailProtection)), ""},
		{"one of them", "/usage", root.Client("a"), "wrong_usage"},
		{"any usage", "/usage", root.Client("a", pki.ExtKeyUsage(x509.ExtKeyUsageAny)), "wrong_usage"},
	} {
		got := r.get(test.path, test.cert)
		if test.reason == "" {
			r.expect(test.name, got, 200, "")
			continue
		}
		r.expect(test.name, got, 401, failed)
		r.expectLog(test.name, "[notice]", `reason="`+test.reason+`"`, `about="leaf"`)
	}
}

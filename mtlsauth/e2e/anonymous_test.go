package e2e

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

func TestDefaultAndAnonymous(t *testing.T) {
	t.Parallel()
	root, stranger := pki.NewCA("root"), pki.NewCA("stranger")
	r := newRig(t, cas{idA: root}, routes{
		"/default":   matching([]string{idA}, object{"default_consumer": "all"}),
		"/anonymous": matching([]string{idA}, object{"anonymous": idGuest}),
		"/both":      matching([]string{idA}, object{"default_consumer": idAll, "anonymous": "guest"}),
		"/skip":      trusted([]string{idA}, object{"anonymous": "guest"}),
		"/missing":   matching([]string{idA}, object{"anonymous": "who"}),
		"/nodefault": matching([]string{idA}, object{"default_consumer": "who", "anonymous": "guest"}),
		"/nocas":     matching([]string{idC}, object{"anonymous": "guest"}),
	}, with(t, consumers(consumer(idAlice, "alice"), consumer(idAll, "all"), consumer(idGuest, "guest"))))
	stray := root.Client("stray")
	r.expectConsumer("trusted, no consumer: default", r.get("/default", stray), "all", idAll, "", stray.Fingerprint())
	r.expectConsumer("trusted, no consumer: default before anonymous", r.get("/both", stray), "all", idAll, "", stray.Fingerprint())
	r.expectConsumer("a consumer's: not default", r.get("/default", root.Client("alice")), "alice", idAlice, "", "alice")
	r.expect("untrusted: not default", r.get("/default", stranger.Client("x")), 401, failed)
	r.expect("none sent: not default", r.get("/default", nil), 401, noneSent)

	for _, path := range []string{"/anonymous", "/both", "/skip"} {
		for name, cert := range map[string]*pki.Certificate{
			"none sent": nil, "untrusted": stranger.Client("alice"), "expired": root.Client("alice", pki.Expired()),
			"for servers": root.Client("alice", pki.ExtKeyUsage(x509.ExtKeyUsageServerAuth)),
		} {
			got := r.get(path, cert, "X-Credential-Identifier", "forged", "X-Client-Cert-Dn", "forged", "X-Consumer-Custom-ID", "forged")
			r.expect(path+" "+name, got, 200, "")
			for header, want := range map[string]string{
				"X-Anonymous-Consumer": "true", "X-Consumer-Username": "guest", "X-Consumer-Id": idGuest,
				"X-Consumer-Custom-Id": "", "X-Credential-Identifier": "", "X-Client-Cert-Dn": "",
			} {
				if v := got.seen.Get(header); v != want {
					t.Errorf("%s %s: the upstream sees %s %q, want %q", path, name, header, v, want)
				}
			}
			want := "FAILED:"
			if cert == nil {
				want = "NONE"
			}
			if v := r.verified(got); !strings.HasPrefix(v, want) {
				t.Errorf("%s %s: client_verify is %q, want %s", path, name, v, want)
			}
		}
	}
	for _, line := range r.pluginLines() {
		if strings.HasPrefix(line, "[error]") || strings.HasPrefix(line, "[warn]") {
			t.Errorf("going on as anonymous is logged as a failure: %s", line)
		}
	}
	r.expect("no consumer, anonymous", r.get("/anonymous", stray), 200, "")
	r.expect("the anonymous consumer is not there", r.get("/missing", nil), 500, "anonymous consumer who is configured but doesn't exist")
	r.expect("the default consumer is not there", r.get("/nodefault", stray), 500, internal)
	r.expect("no CA certificate, anonymous too", r.get("/nocas", stray), 500, internal)
}

// Forged headers reach no upstream, in any outcome.
func TestForgedHeaders(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	r := newRig(t, cas{idA: root}, routes{
		"/consumer":  matching([]string{idA}),
		"/default":   matching([]string{idA}, object{"default_consumer": "all"}),
		"/anonymous": matching([]string{idA}, object{"anonymous": "guest"}),
		"/skip":      trusted([]string{idA}),
		"/or":        matching([]string{idA}, object{"anonymous": "guest"}),
	}, with(t, consumers(
		consumer(idAlice, "alice", object{"keyauth_credentials": []object{{"key": "secret"}}}), consumer(idAll, "all"), consumer(idGuest, "guest"),
	), also("/or", object{"name": "key-auth", "config": object{"anonymous": "guest"}})))
	for _, test := range []struct {
		path string
		cert *pki.Certificate
	}{
		{"/consumer", root.Client("alice")}, {"/default", root.Client("x")}, {"/anonymous", nil}, {"/skip", root.Client("x")},
		{"/or", nil}, {"/or", root.Client("alice")},
	} {
		for _, spell := range []func(string) string{
			func(s string) string { return s },
			strings.ToUpper,
			func(s string) string { return strings.ReplaceAll(s, "-", "_") },
			func(s string) string { return strings.Replace(s, "-", "_", 1) },
		} {
			header := []string{"apikey", "secret"}
			for _, name := range []string{"X-Consumer-ID", "X-Consumer-Custom-ID", "X-Consumer-Username", "X-Credential-Identifier",
				"X-Anonymous-Consumer", "X-Client-Cert-Dn", "X-Client-Cert-San"} {
				header = append(header, spell(name), "forged")
			}
			got := r.get(test.path, test.cert, header...)
			r.expect(test.path, got, 200, "")
			for name, values := range got.seen {
				if strings.Contains(strings.Join(values, " "), "forged") {
					t.Errorf("%s: the upstream sees %s: %q", test.path, name, values)
				}
			}
		}
	}
}

func TestLogicalOrAndAnd(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	key := object{"keyauth_credentials": []object{{"key": "secret"}}}
	r := newRig(t, cas{idA: root}, routes{
		"/or":  matching([]string{idA}, object{"anonymous": "guest"}),
		"/and": matching([]string{idA}),
	}, with(t, consumers(consumer(idAlice, "alice"), consumer(idBob, "bob", key), consumer(idGuest, "guest")),
		also("/or", object{"name": "key-auth", "config": object{"anonymous": "guest"}}),
		also("/and", object{"name": "key-auth", "config": object{}})))
	alice := root.Client("alice")
	// This plugin (1600) comes before key-auth (1250).
	if got := r.get("/or", alice); got.seen.Get("X-Consumer-Username") != "alice" {
		t.Errorf("or, certificate alone: got %d as %q, want alice", got.status, got.seen.Get("X-Consumer-Username"))
	}
	if got := r.get("/or", nil, "apikey", "secret"); got.seen.Get("X-Consumer-Username") != "bob" || got.seen.Get("X-Anonymous-Consumer") != "" {
		t.Errorf("or, key alone: got %d as %q", got.status, got.seen.Get("X-Consumer-Username"))
	}
	if got := r.get("/or", nil); got.seen.Get("X-Anonymous-Consumer") != "true" {
		t.Errorf("or, neither: got %d as %q, want anonymous", got.status, got.seen.Get("X-Consumer-Username"))
	}
	if got := r.get("/or", root.Client("stray"), "apikey", "secret"); got.seen.Get("X-Consumer-Username") != "bob" {
		t.Errorf("or, a certificate of no consumer and a key: got %d as %q, want bob", got.status, got.seen.Get("X-Consumer-Username"))
	}
	r.expect("and, key alone", r.get("/and", nil, "apikey", "secret"), 401, noneSent)
	if got := r.get("/and", alice); got.status != 401 {
		t.Errorf("and, certificate alone: got %d, want key-auth's 401", got.status)
	}
	r.expect("and, both", r.get("/and", alice, "apikey", "secret"), 200, "")
}

func TestGroupsAndACL(t *testing.T) {
	t.Parallel()
	root, stranger := pki.NewCA("root"), pki.NewCA("stranger")
	acl := func(path string, config object) func(object) {
		return also(path, object{"name": "acl", "config": config})
	}
	r := newRig(t, cas{idA: root}, routes{
		"/cn":        trusted([]string{idA}),
		"/deny":      trusted([]string{idA}),
		"/dn":        trusted([]string{idA}, object{"authenticated_group_by": "DN"}),
		"/null":      trusted([]string{idA}, object{"authenticated_group_by": nil}),
		"/anonymous": trusted([]string{idA}, object{"anonymous": "guest"}),
		"/matching":  matching([]string{idA}, object{"anonymous": "guest"}),
		"/plain":     trusted([]string{idA}, object{"authenticated_group_by": nil}),
	}, with(t, consumers(consumer(idGuest, "guest"), consumer(idAlice, "alice", object{"acls": []object{{"group": "admin"}}})),
		acl("/cn", object{"allow": []string{"admin"}}),
		acl("/deny", object{"deny": []string{"admin"}}),
		acl("/dn", object{"allow": []string{`CN=admin,O=Rig\, Inc.`}}),
		acl("/null", object{"allow": []string{"admin"}}),
		acl("/anonymous", object{"allow": []string{"admin"}}),
		acl("/matching", object{"allow": []string{"admin"}}),
	))
	const refused = "You cannot consume this service"
	admin := root.Client("admin")
	got := r.get("/cn", admin)
	r.expect("the CN is allowed", got, 200, "")
	if v := got.seen.Get("X-Authenticated-Groups"); v != "admin" {
		t.Errorf("the upstream sees groups %q, want admin", v)
	}
	r.expect("another CN", r.get("/cn", root.Client("user")), 403, refused)
	r.expect("the CN is denied", r.get("/deny", admin), 403, refused)
	r.expect("the DN is allowed", r.get("/dn", root.Client("", pki.Subject(pkix.Name{CommonName: "admin", Organization: []string{"Rig, Inc."}}))), 200, "")
	r.expect("another DN", r.get("/dn", admin), 403, refused)
	r.expect("no group, no acl", r.get("/plain", admin), 200, "")
	r.expect("no group, acl", r.get("/null", admin), 403, refused)
	// A request that continues as anonymous has no group, whatever the certificate says.
	for name, cert := range map[string]*pki.Certificate{
		"none sent": nil, "untrusted": stranger.Client("admin"), "expired": root.Client("admin", pki.Expired()), "no consumer": admin,
	} {
		path := "/anonymous"
		if name == "no consumer" {
			path = "/matching"
		}
		// acl answers so where there is a consumer and no credential.
		r.expect("anonymous, "+name, r.get(path, cert), 401, "Unauthorized")
	}
	r.expect("a consumer's own group", r.get("/matching", root.Client("alice")), 200, "")
}

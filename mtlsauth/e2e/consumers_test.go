package e2e

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/gateway"
	"mtls-auth/mtlsauth/internal/pkitest"
)

// Ids of consumers in Kong.
const (
	idAlice = "a11ce000-0000-4000-8000-000000000001"
	idBob   = "b0b00000-0000-4000-8000-000000000002"
	idNobo  = "0b0d0000-0000-4000-8000-000000000003"
	idAll   = "a1100000-0000-4000-8000-000000000004"
)

func consumer(id, username string, more ...object) object {
	c := object{"id": id, "username": username}
	for _, m := range more {
		for field, value := range m {
			c[field] = value
		}
	}
	return c
}

// consumers puts consumers into a configuration.
func consumers(list ...object) func(object) {
	return func(config object) { config["consumers"] = list }
}

// also puts a further plugin on the route with this path.
func also(path string, plugin object) func(object) {
	return func(config object) {
		// What was marshalled and read again is made of []any.
		for _, service := range list(config["services"]) {
			for _, route := range list(service["routes"]) {
				if paths, _ := json.Marshal(route["paths"]); string(paths) == `["`+path+`"]` {
					route["plugins"] = append(list(route["plugins"]), plugin)
				}
			}
		}
	}
}

func list(value any) []object {
	switch value := value.(type) {
	case []object:
		return value
	case []any:
		objects := make([]object, len(value))
		for i, one := range value {
			objects[i] = one.(object)
		}
		return objects
	}
	return nil
}

// with makes the changes of a configuration a gateway's option.
func with(tb testing.TB, changes ...func(object)) func(*gateway.Options) {
	return changed(tb, func(config object) {
		for _, change := range changes {
			change(config)
		}
	})
}

// matching is a plugin configuration that looks consumers up.
func matching(ids []string, change ...object) object {
	return trusted(ids, append([]object{{"skip_consumer_lookup": false}}, change...)...)
}

// expectConsumer expects a pass as this consumer.
func (r *rig) expectConsumer(what string, got answer, username, id, customID, credential string) {
	r.t.Helper()
	r.expect(what, got, 200, "")
	for name, want := range map[string]string{
		"X-Consumer-Username": username, "X-Consumer-Id": id, "X-Consumer-Custom-Id": customID,
		"X-Credential-Identifier": credential, "X-Anonymous-Consumer": "",
		"X-Client-Cert-Dn": "", "X-Client-Cert-San": "",
	} {
		if v := got.seen.Get(name); v != want {
			r.t.Errorf("%s: the upstream sees %s %q, want %q", what, name, v, want)
		}
	}
}

func TestAConsumerIsMatched(t *testing.T) {
	root := pkitest.NewCA("root")
	r := newRig(t, cas{idA: root}, routes{
		"/both":      matching([]string{idA}),
		"/custom_id": matching([]string{idA}, object{"consumer_by": []string{"custom_id"}}),
		"/username":  matching([]string{idA}, object{"consumer_by": []string{"username"}}),
		"/neither":   matching([]string{idA}, object{"consumer_by": []string{}}),
		"/null":      matching([]string{idA}, object{"consumer_by": nil}),
	}, with(t, consumers(
		consumer(idAlice, "alice", object{"custom_id": "4711"}),
		consumer(idBob, "bob@example.com"),
		consumer(idAll, "spiffe://example.com/web"),
	)))
	client := func(name string, options ...pkitest.Option) *pkitest.Certificate {
		return root.Client(name, options...)
	}
	for _, test := range []struct {
		name, path       string
		cert             *pkitest.Certificate
		username, id     string
		customID, credID string
	}{
		{"DNS name", "/both", client("x", pkitest.DNS("nobody", "alice")), "alice", idAlice, "4711", "alice"},
		{"CN with no SAN", "/both", client("alice"), "alice", idAlice, "4711", "alice"},
		{"custom_id", "/both", client("4711"), "alice", idAlice, "4711", "4711"},
		{"custom_id alone", "/custom_id", client("4711"), "alice", idAlice, "4711", "4711"},
		{"username alone", "/username", client("alice"), "alice", idAlice, "4711", "alice"},
		{"e-mail", "/both", client("x", pkitest.Email("bob@example.com")), "bob@example.com", idBob, "", "bob@example.com"},
		{"URI", "/both", client("x", pkitest.URI("spiffe://example.com/web")), "spiffe://example.com/web", idAll, "", "spiffe://example.com/web"},
		{"two names, in order", "/both", client("x", pkitest.DNS("alice"), pkitest.Email("bob@example.com")), "alice", idAlice, "4711", "alice"},
	} {
		r.expectConsumer(test.name, r.get(test.path, test.cert), test.username, test.id, test.customID, test.credID)
	}
	for name, test := range map[string]struct {
		path string
		cert *pkitest.Certificate
	}{
		"the CN is none where there is a SAN": {"/both", client("alice", pkitest.DNS("nobody"))},
		"the other attribute":                 {"/custom_id", client("alice")},
		"the other attribute still":           {"/username", client("4711")},
		"no attribute":                        {"/neither", client("alice")},
		"null":                                {"/null", client("alice")},
		"another case":                        {"/both", client("Alice")},
		"nobody":                              {"/both", client("nobody")},
		"no name at all":                      {"/both", client("", pkitest.Subject(pkix.Name{}))},
		"a name that would leave its place":   {"/both", client("x", pkitest.Email("../consumers/alice"))},
	} {
		r.expect(name, r.get(test.path, test.cert), 401, failed)
		r.expectLog(name, "[notice]", `reason="no_consumer"`)
	}
	// Kong takes a name that looks like a UUID for an id. It is nobody's name as
	// far as anybody can know, and nobody's absence either.
	r.expect("an id is no name", r.get("/username", client(idAlice)), 500, internal)
	r.expectLog("an id is no name", "[error]", `reason="lookup_failed"`)
	r.expect("an id is no custom_id", r.get("/custom_id", client(idAlice)), 401, failed)
}

// Test 1 of the enterprise plugin's changelog, and what crypto/x509 does not
// show: names in a directoryName and in an otherName.
func TestDirectoryNamesAndUPN(t *testing.T) {
	root := pkitest.NewCA("root")
	r := newRig(t, cas{idA: root}, routes{
		"/all":   matching([]string{idA}),
		"/CN":    matching([]string{idA}, object{"san_dirname_matcher": []string{"CN"}}),
		"/oid":   matching([]string{idA}, object{"san_dirname_matcher": []string{"2.5.4.3"}}),
		"/long":  matching([]string{idA}, object{"san_dirname_matcher": []string{"commonName"}}),
		"/lower": matching([]string{idA}, object{"san_dirname_matcher": []string{"cn"}}),
		"/O":     matching([]string{idA}, object{"san_dirname_matcher": []string{"O"}}),
	}, with(t, consumers(consumer(idAlice, "alice"), consumer(idBob, "Rig"), consumer(idAll, "upn@example.com"))))
	name, err := asn1.Marshal(pkix.Name{CommonName: "alice", Organization: []string{"Rig"}}.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	// Critical, with an empty subject, as RFC 5280 wants it.
	dirName := root.Client("", pkitest.Subject(pkix.Name{}), pkitest.Extension(san(t, asn1.RawValue{Class: 2, Tag: 4, IsCompound: true, Bytes: name})))
	for path, want := range map[string]string{"/all": "Rig", "/CN": "alice", "/oid": "alice", "/long": "alice", "/O": "Rig", "/lower": ""} {
		got := r.get(path, dirName)
		if v := got.seen.Get("X-Consumer-Username"); v != want || want == "" && got.status != 401 {
			t.Errorf("%s: got %d as %q, want %q", path, got.status, v, want)
		}
	}
	upn, err := asn1.Marshal(struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}, asn1.RawValue{Class: 2, Tag: 0, IsCompound: true, Bytes: []byte("\x0c\x0fupn@example.com")}})
	if err != nil {
		t.Fatal(err)
	}
	var inner asn1.RawValue
	if _, err := asn1.Unmarshal(upn, &inner); err != nil {
		t.Fatal(err)
	}
	other := root.Client("", pkitest.Subject(pkix.Name{}), pkitest.Extension(san(t, asn1.RawValue{Class: 2, Tag: 0, IsCompound: true, Bytes: inner.Bytes})))
	if got := r.get("/all", other); got.seen.Get("X-Consumer-Username") != "upn@example.com" {
		t.Errorf("UPN: got %d as %q", got.status, got.seen.Get("X-Consumer-Username"))
	}
}

// san is a critical subject alternative name of one general name.
func san(t *testing.T, name asn1.RawValue) pkix.Extension {
	t.Helper()
	der, err := asn1.Marshal([]asn1.RawValue{name})
	if err != nil {
		t.Fatal(err)
	}
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: der}
}

func TestCredentials(t *testing.T) {
	a, b := pkitest.NewCA("a"), pkitest.NewCA("b")
	credential := func(subject, consumer, ca string) object {
		c := object{"subject_name": subject, "consumer": consumer}
		if ca != "" {
			c["ca_certificate"] = ca
		}
		return c
	}
	r := newRig(t, cas{idA: a, idB: b, idC: pkitest.NewCA("c")}, routes{"/echo": matching([]string{idA, idB}, object{"credentials": []object{
		credential("shared", "alice", idA),
		credential("shared", idBob, idB),
		credential("both", "alice", ""),
		credential("both", "bob", idB),
		credential("bob", "alice", ""),
		credential("elsewhere", "alice", idC),
		credential("gone", "nobody at all", ""),
	}})}, with(t, consumers(consumer(idAlice, "alice"), consumer(idBob, "bob"))))
	for _, test := range []struct {
		name     string
		cert     *pkitest.Certificate
		username string
		id       string
	}{
		{"one name under one CA", a.Client("shared"), "alice", idAlice},
		{"one name under the other", b.Client("shared"), "bob", idBob},
		{"the bound one before the unbound", b.Client("both"), "bob", idBob},
		{"the unbound one", a.Client("both"), "alice", idAlice},
		{"a mapping before a consumer of that name", a.Client("bob"), "alice", idAlice},
	} {
		got := r.get("/echo", test.cert)
		r.expectConsumer(test.name, got, test.username, test.id, "", test.cert.Subject.CommonName)
	}
	r.expect("bound to another CA", r.get("/echo", a.Client("elsewhere")), 401, failed)
	r.expect("a mapped consumer that is not there", r.get("/echo", a.Client("gone")), 500, internal)
	r.expectLog("a mapped consumer that is not there", "[error]", `reason="lookup_failed"`, "nobody at all")
}

func TestDefaultAndAnonymous(t *testing.T) {
	root, stranger := pkitest.NewCA("root"), pkitest.NewCA("stranger")
	r := newRig(t, cas{idA: root}, routes{
		"/default":   matching([]string{idA}, object{"default_consumer": "all"}),
		"/anonymous": matching([]string{idA}, object{"anonymous": idNobo}),
		"/both":      matching([]string{idA}, object{"default_consumer": idAll, "anonymous": "nobody"}),
		"/skip":      trusted([]string{idA}, object{"anonymous": "nobody"}),
		"/missing":   matching([]string{idA}, object{"anonymous": "who"}),
		"/nodefault": matching([]string{idA}, object{"default_consumer": "who", "anonymous": "nobody"}),
		"/nocas":     matching([]string{idC}, object{"anonymous": "nobody"}),
	}, with(t, consumers(consumer(idAlice, "alice"), consumer(idAll, "all"), consumer(idNobo, "nobody"))))
	stray := root.Client("stray")
	r.expectConsumer("trusted, nobody's: default", r.get("/default", stray), "all", idAll, "", stray.Fingerprint())
	r.expectConsumer("trusted, nobody's: default before anonymous", r.get("/both", stray), "all", idAll, "", stray.Fingerprint())
	r.expectConsumer("somebody's: not default", r.get("/default", root.Client("alice")), "alice", idAlice, "", "alice")
	r.expect("untrusted: not default", r.get("/default", stranger.Client("x")), 401, failed)
	r.expect("none sent: not default", r.get("/default", nil), 401, noneSent)

	for _, path := range []string{"/anonymous", "/both", "/skip"} {
		for name, cert := range map[string]*pkitest.Certificate{
			"none sent": nil, "untrusted": stranger.Client("alice"), "expired": root.Client("alice", pkitest.Expired()),
			"for servers": root.Client("alice", pkitest.ExtKeyUsage(x509.ExtKeyUsageServerAuth)),
		} {
			got := r.get(path, cert, "X-Credential-Identifier", "forged", "X-Client-Cert-Dn", "forged", "X-Consumer-Custom-ID", "forged")
			r.expect(path+" "+name, got, 200, "")
			for header, want := range map[string]string{
				"X-Anonymous-Consumer": "true", "X-Consumer-Username": "nobody", "X-Consumer-Id": idNobo,
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
			if v := r.verified(); !strings.HasPrefix(v, want) {
				t.Errorf("%s %s: client_verify is %q, want %s", path, name, v, want)
			}
		}
	}
	for _, line := range r.pluginLines() {
		if strings.HasPrefix(line, "[error]") || strings.HasPrefix(line, "[warn]") {
			t.Errorf("going on as anonymous is logged as a failure: %s", line)
		}
	}
	r.expect("nobody's, anonymous", r.get("/anonymous", stray), 200, "")
	r.expect("the anonymous consumer is not there", r.get("/missing", nil), 500, "anonymous consumer who is configured but doesn't exist")
	r.expect("the default consumer is not there", r.get("/nodefault", stray), 500, internal)
	r.expect("no CA certificate, anonymous too", r.get("/nocas", stray), 500, internal)
}

// Forged headers reach no upstream, in any outcome.
func TestForgedHeaders(t *testing.T) {
	root := pkitest.NewCA("root")
	r := newRig(t, cas{idA: root}, routes{
		"/consumer":  matching([]string{idA}),
		"/default":   matching([]string{idA}, object{"default_consumer": "all"}),
		"/anonymous": matching([]string{idA}, object{"anonymous": "nobody"}),
		"/skip":      trusted([]string{idA}),
		"/or":        matching([]string{idA}, object{"anonymous": "nobody"}),
	}, with(t, consumers(
		consumer(idAlice, "alice", object{"keyauth_credentials": []object{{"key": "secret"}}}), consumer(idAll, "all"), consumer(idNobo, "nobody"),
	), also("/or", object{"name": "key-auth", "config": object{"anonymous": "nobody"}})))
	for _, test := range []struct {
		path string
		cert *pkitest.Certificate
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
	root := pkitest.NewCA("root")
	key := object{"keyauth_credentials": []object{{"key": "secret"}}}
	r := newRig(t, cas{idA: root}, routes{
		"/or":  matching([]string{idA}, object{"anonymous": "nobody"}),
		"/and": matching([]string{idA}),
	}, with(t, consumers(consumer(idAlice, "alice"), consumer(idBob, "bob", key), consumer(idNobo, "nobody")),
		also("/or", object{"name": "key-auth", "config": object{"anonymous": "nobody"}}),
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
		t.Errorf("or, nobody's certificate and key: got %d as %q, want bob", got.status, got.seen.Get("X-Consumer-Username"))
	}
	r.expect("and, key alone", r.get("/and", nil, "apikey", "secret"), 401, noneSent)
	if got := r.get("/and", alice); got.status != 401 {
		t.Errorf("and, certificate alone: got %d, want key-auth's 401", got.status)
	}
	r.expect("and, both", r.get("/and", alice, "apikey", "secret"), 200, "")
}

func TestGroupsAndACL(t *testing.T) {
	root, stranger := pkitest.NewCA("root"), pkitest.NewCA("stranger")
	acl := func(path string, config object) func(object) {
		return also(path, object{"name": "acl", "config": config})
	}
	r := newRig(t, cas{idA: root}, routes{
		"/cn":        trusted([]string{idA}),
		"/deny":      trusted([]string{idA}),
		"/dn":        trusted([]string{idA}, object{"authenticated_group_by": "DN"}),
		"/null":      trusted([]string{idA}, object{"authenticated_group_by": nil}),
		"/anonymous": trusted([]string{idA}, object{"anonymous": "nobody"}),
		"/matching":  matching([]string{idA}, object{"anonymous": "nobody"}),
		"/plain":     trusted([]string{idA}, object{"authenticated_group_by": nil}),
	}, with(t, consumers(consumer(idNobo, "nobody"), consumer(idAlice, "alice", object{"acls": []object{{"group": "admin"}}})),
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
	r.expect("the DN is allowed", r.get("/dn", root.Client("", pkitest.Subject(pkix.Name{CommonName: "admin", Organization: []string{"Rig, Inc."}}))), 200, "")
	r.expect("another DN", r.get("/dn", admin), 403, refused)
	r.expect("no group, no acl", r.get("/plain", admin), 200, "")
	if got := r.get("/null", admin); got.status != 403 && got.status != 401 {
		t.Errorf("no group, acl: got %d, want a refusal", got.status)
	}
	// Whoever goes on as anonymous has no group, whatever the certificate says.
	for name, cert := range map[string]*pkitest.Certificate{
		"none sent": nil, "untrusted": stranger.Client("admin"), "expired": root.Client("admin", pkitest.Expired()), "nobody's": admin,
	} {
		path := "/anonymous"
		if name == "nobody's" {
			path = "/matching"
		}
		// acl answers so where there is a consumer and no credential.
		r.expect("anonymous, "+name, r.get(path, cert), 401, "Unauthorized")
	}
	r.expect("a consumer's own group", r.get("/matching", root.Client("alice")), 200, "")
}

// A49: a consumer that is renamed or deleted is matched no longer than cache_ttl.
func TestAConsumerGoes(t *testing.T) {
	root := pkitest.NewCA("root")
	plugins := routes{
		"/second": matching([]string{idA}, object{"cache_ttl": 1}),
		"/never":  matching([]string{idA}, object{"cache_ttl": 0}),
	}
	r := newRig(t, cas{idA: root}, plugins, with(t, consumers(consumer(idAlice, "alice"))))
	alice, bob := root.Client("alice"), root.Client("bob")
	for _, path := range []string{"/second", "/never"} {
		r.expect(path, r.get(path, alice), 200, "")
		r.expect(path, r.get(path, bob), 401, failed)
	}
	if err := r.Configure(declarative(t, r.upstream, cas{idA: root}, plugins, consumers(consumer(idBob, "bob")))); err != nil {
		t.Fatal(err)
	}
	r.expect("nothing is kept: alice", r.get("/never", alice), 401, failed)
	r.expect("nothing is kept: bob", r.get("/never", bob), 200, "")
	eventually(t, "alice is gone", func() bool { return r.get("/second", alice).status == 401 })
	eventually(t, "bob is there", func() bool { return r.get("/second", bob).status == 200 })
}

// A source that is down is never "nobody", with default_consumer and anonymous
// neither.
func TestConsumersThatCanNotBeLookedUp(t *testing.T) {
	root := pkitest.NewCA("root")
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, idA+".pem"), root.PEM())
	r := newRig(t, nil, routes{"/echo": matching([]string{idA}, object{"default_consumer": "all", "anonymous": "nobody"})},
		with(t, consumers(consumer(idAll, "all"), consumer(idNobo, "nobody"))), flags("-ca-dir "+dir+" -admin-url http://127.0.0.1:1"))
	begin := time.Now()
	r.expect("the Admin API is away", r.get("/echo", root.Client("alice")), 500, internal)
	r.expectLog("the Admin API is away", "[error]", `reason="lookup_failed"`)
	r.expect("none sent", r.get("/echo", nil), 500, internal)
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("the answers took %v", took)
	}
}

// A data plane has no Admin API: usernames and ids are known to Kong itself,
// custom ids to nobody.
func TestConsumersFromKongItself(t *testing.T) {
	root := pkitest.NewCA("root")
	dir, elsewhere := t.TempDir(), t.TempDir() // a prefix with no .kong_env
	writeFile(t, filepath.Join(dir, idA+".pem"), root.PEM())
	r := newRig(t, nil, routes{
		"/echo":   matching([]string{idA}, object{"cache_ttl": 0}),
		"/mapped": matching([]string{idA}, object{"credentials": []object{{"subject_name": "mapped", "consumer": idAlice}}}),
	}, with(t, consumers(consumer(idAlice, "alice", object{"custom_id": "4711"}), consumer(idBob, "bob"))), func(o *gateway.Options) {
		o.QueryCommand = program(t) + " -dump -kong-prefix " + elsewhere
		o.StartCommand = program(t) + " -kong-prefix " + elsewhere + " -ca-dir " + dir
		o.Socket = filepath.Join(elsewhere, "mtls-auth.socket")
	})
	r.expectConsumer("by username", r.get("/echo", root.Client("alice")), "alice", idAlice, "4711", "alice")
	r.expectConsumer("by id, as mapped", r.get("/mapped", root.Client("mapped")), "alice", idAlice, "4711", "mapped")
	r.expect("nobody", r.get("/echo", root.Client("nobody")), 401, failed)
	r.expect("by custom_id", r.get("/echo", root.Client("4711")), 401, failed)
	warned := 0
	for _, line := range r.pluginLines() {
		if strings.Contains(line, "no consumer is found by custom_id") {
			warned++
		}
	}
	if warned != 1 {
		t.Errorf("the log says %d times that custom_id finds nobody, want once", warned)
	}
	// A UUID-shaped name is a name, not the id of whoever has it.
	r.expect("an id for a name", r.get("/echo", root.Client(idAlice)), 500, internal)
}

// The file of -credentials is decK's own, and followed while the server runs.
func TestCredentialsFile(t *testing.T) {
	a, b := pkitest.NewCA("a"), pkitest.NewCA("b")
	file := filepath.Join(t.TempDir(), "deck.yaml")
	write := func(text string) {
		writeFile(t, file+".new", text)
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	entry := func(user, subject, ca string) string {
		return "_format_version: \"3.0\"\nconsumers:\n- username: " + user + "\n  mtls_auth_credentials:\n  - id: 11111111-0000-4000-8000-000000000001\n    subject_name: " + subject + "\n" + ca
	}
	write(entry("alice", "mapped", "    ca_certificate: "+idA+"\n"))
	r := newRig(t, cas{idA: a, idB: b}, routes{"/echo": matching([]string{idA, idB})},
		with(t, consumers(consumer(idAlice, "alice"), consumer(idBob, "bob"))), flags("-credentials "+file))
	mapped := a.Client("mapped")
	r.expectConsumer("mapped by the file", r.get("/echo", mapped), "alice", idAlice, "", "11111111-0000-4000-8000-000000000001")
	r.expect("under another CA", r.get("/echo", b.Client("mapped")), 401, failed)
	write(entry("bob", "mapped", ""))
	eventually(t, "the new version counts", func() bool { return r.get("/echo", mapped).seen.Get("X-Consumer-Username") == "bob" })
	write("consumers: [{username: carol, mtls_auth_credentials: [{subject_name: mapped, nonsense: 1}]}]")
	time.Sleep(2500 * time.Millisecond)
	if got := r.get("/echo", mapped); got.seen.Get("X-Consumer-Username") != "bob" {
		t.Errorf("with a broken version: got %d as %q, want the last good one", got.status, got.seen.Get("X-Consumer-Username"))
	}
	told := false
	for _, line := range r.pluginLines() {
		told = told || strings.Contains(line, "credentials can not be used") && strings.Contains(line, "nonsense")
	}
	if !told {
		t.Error("Kong's log does not say that the file is broken")
	}
}

package main_test

import (
	"crypto/x509"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/handshake"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

const (
	caID     = "6f1c1a5e-1a5e-4c1a-9a5e-6f1c1a5e4c1a"
	otherID  = "7f1c1a5e-1a5e-4c1a-9a5e-6f1c1a5e4c1a" // of no CA certificate
	pluginID = "3cca9e68-1a5e-4c1a-9a5e-6f1c1a5e4c1a"

	noneSent = `{"message":"No required TLS certificate was sent"}`
	failed   = `{"message":"TLS certificate failed verification"}`
	ours     = `{"message":"An unexpected error occurred"}`
)

var (
	alice   = map[string]any{"id": "11111111-1111-4111-8111-111111111111", "username": "alice", "custom_id": "a-1", "created_at": 1, "tags": []string{"x"}}
	guest   = map[string]any{"id": "22222222-2222-4222-8222-222222222222", "username": "guest", "created_at": 2}
	unknown = map[string]any{"username": "gone"}
)

// configured is a configuration as Kong sends it, by the schema without defaults.
func configured(more map[string]any) map[string]any {
	c := map[string]any{"ca_certificates": []string{caID}, "revocation_check_mode": "SKIP", "__plugin_id": pluginID, "__seq__": 1}
	maps.Copy(c, more)
	return c
}

var (
	trust  = map[string]any{"skip_consumer_lookup": true, "authenticated_group_by": "CN"}
	lookUp = map[string]any{"consumer_by": []string{"username"}}
)

func with(c map[string]any, name string, value any) map[string]any {
	c = maps.Clone(c)
	c[name] = value
	return c
}

// headers are what the upstream is told; those that are not among these are
// cleared.
func headers(pairs ...string) map[string]any {
	h := map[string]any{}
	for _, name := range authn.HeaderNames() {
		h[strings.ToLower(name)] = []any{}
	}
	for i := 0; i < len(pairs); i += 2 {
		h[pairs[i]] = []any{pairs[i+1]}
	}
	return h
}

func lower(h map[string]any) map[string]any {
	out := map[string]any{}
	for name, values := range h {
		out[strings.ToLower(name)] = values
	}
	return out
}

func TestAccess(t *testing.T) {
	root := pki.NewCA("root")
	inter := root.Intermediate("intermediate")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, caID+".pem"), []byte(root.PEM()), 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, "MTLS_AUTH_CA_DIR="+dir)
	aliceCert, leaf := root.Client("alice"), inter.Client("alice")
	id := func(who map[string]any) string { return who["id"].(string) }

	for name, test := range map[string]struct {
		config map[string]any
		leaf   string
		chain  string
		ctx    map[string]any
		other  string // the plugin that the event is for

		status   int // 0 for a pass
		body     string
		headers  map[string]any
		consumer map[string]any
		cred     string
		groups   any
		verify   string
		log      string
	}{
		"none sent, or plain HTTP": {config: trust, status: 401, body: noneSent, verify: "NONE", log: `info reason="none_sent"`},
		"trusted": {config: trust, leaf: aliceCert.PEM(), headers: headers("x-client-cert-dn", "CN=alice"),
			cred: aliceCert.Fingerprint(), groups: []any{"alice"}, verify: "SUCCESS"},
		"untrusted":    {config: trust, leaf: pki.NewCA("another").Client("alice").PEM(), status: 401, body: failed, verify: "FAILED:issuer_not_found", log: `notice reason="issuer_not_found"`},
		"expired":      {config: trust, leaf: root.Client("alice", pki.Expired()).PEM(), status: 401, body: failed, verify: "FAILED:expired", log: `notice reason="expired"`},
		"wrong usage":  {config: trust, leaf: root.Client("alice", pki.ExtKeyUsage(x509.ExtKeyUsageServerAuth)).PEM(), status: 401, body: failed, verify: "FAILED:wrong_usage", log: `resumed="false"`},
		"unreadable":   {config: trust, leaf: "rubbish", status: 401, body: failed, verify: "FAILED:unreadable", log: `reason="unreadable"`},
		"leaf alone":   {config: trust, leaf: leaf.PEM(), status: 401, body: failed, verify: "FAILED:issuer_not_found", log: `chain="false"`},
		"with a chain": {config: trust, leaf: leaf.PEM(), chain: leaf.ChainPEM(), headers: headers("x-client-cert-dn", "CN=alice"), cred: leaf.Fingerprint(), groups: []any{"alice"}, verify: "SUCCESS"},
		"no group": {config: with(trust, "authenticated_group_by", nil), leaf: aliceCert.PEM(), headers: headers("x-client-cert-dn", "CN=alice"),
			cred: aliceCert.Fingerprint(), verify: "SUCCESS"},
		"a consumer": {config: lookUp, leaf: aliceCert.PEM(), consumer: alice, cred: "alice", verify: "SUCCESS",
			headers: headers("x-consumer-id", id(alice), "x-consumer-custom-id", "a-1", "x-consumer-username", "alice", "x-credential-identifier", "alice")},
		"no consumer": {config: lookUp, leaf: root.Client("bob").PEM(), status: 401, body: failed, verify: "FAILED:no_consumer", log: `notice reason="no_consumer"`},
		"anonymous": {config: with(lookUp, "anonymous", "guest"), leaf: root.Client("bob").PEM(), consumer: guest, verify: "FAILED:no_consumer",
			headers: headers("x-consumer-id", id(guest), "x-consumer-username", "guest", "x-anonymous-consumer", "true"), log: `info reason="no_consumer"`},
		"anonymous with no certificate": {config: with(lookUp, "anonymous", id(guest)), consumer: guest, verify: "NONE",
			headers: headers("x-consumer-id", id(guest), "x-consumer-username", "guest", "x-anonymous-consumer", "true"), log: `anonymous="true"`},
		"anonymous that is not there": {config: with(lookUp, "anonymous", "gone"), status: 500, verify: "FAILED:lookup_failed",
			body: `{"message":"anonymous consumer gone is configured but doesn't exist"}`, log: `err reason="lookup_failed"`},
		"another plugin has authenticated": {config: with(lookUp, "anonymous", "guest"), ctx: map[string]any{"authenticated_credential": map[string]any{"key": "k"}},
			headers: map[string]any{"x-client-cert-dn": []any{}, "x-client-cert-san": []any{}}},
		"the default consumer": {config: with(lookUp, "default_consumer", "guest"), leaf: root.Client("bob").PEM(), consumer: guest, cred: "*", verify: "SUCCESS"},
		"a default that is not there": {config: with(lookUp, "default_consumer", unknown["username"]), leaf: root.Client("bob").PEM(),
			status: 500, body: ours, verify: "FAILED:lookup_failed", log: `err reason="lookup_failed"`},
		"a mapping": {config: map[string]any{"consumer_by": []string{}, "credentials": []any{map[string]any{"subject_name": "bob", "consumer": "alice"}}},
			leaf: root.Client("bob").PEM(), consumer: alice, cred: "bob", verify: "SUCCESS"},
		"CA certificates that are not there": {config: with(trust, "ca_certificates", []string{otherID}), leaf: aliceCert.PEM(), status: 500, body: ours,
			verify: "FAILED:ca_not_loaded", log: `err reason="ca_not_loaded"`},
		"a refused configuration": {config: with(trust, "http_timeout", 0), leaf: aliceCert.PEM(), status: 500, body: ours, verify: "FAILED:bad_config",
			log: `config.http_timeout: expected a number of milliseconds over 0, got 0`},
		"a field of another type":        {config: with(trust, "cache_ttl", "x"), leaf: aliceCert.PEM(), status: 500, body: ours, verify: "FAILED:bad_config", log: `config.cache_ttl: `},
		"no consumer_by, no default":     {config: nil, leaf: aliceCert.PEM(), status: 500, body: ours, verify: "FAILED:bad_config", log: `config.consumer_by: must be given here`},
		"set up for a consumer":          {config: with(trust, "consumer_id", id(alice)), leaf: aliceCert.PEM(), status: 500, body: ours, verify: "FAILED:bad_config", log: `consumer, consumer_group: value must be null`},
		"an event for another plugin":    {config: trust, leaf: aliceCert.PEM(), other: otherID, status: 500, body: ours, log: `err reason="internal" error="the event is for plugin ` + otherID},
		"a Kong that tells no plugin id": {config: trust, leaf: "", other: "-", status: 401, body: noneSent, verify: "NONE"},
	} {
		t.Run(name, func(t *testing.T) {
			instance := c.instance(t, configured(test.config))
			r := &request{vars: map[string]string{"ssl_session_reused": "."}, consumers: []map[string]any{alice, guest},
				shared: map[string]any{"authenticated_groups": "earlier"}, ctx: maps.Clone(test.ctx), pluginID: pluginID}
			if test.leaf != "" {
				r.vars["ssl_client_raw_cert"] = test.leaf
			}
			if test.chain != "" {
				r.shared[handshake.ChainKey] = test.chain
			}
			if test.other != "" {
				r.pluginID = strings.TrimPrefix(test.other, "-")
			}
			r.run(t, c, instance)

			shown := test.leaf
			if shown == "" {
				shown = "none"
			}
			passed := r.shared["mtls_auth_passed"] == shown
			if test.status == 0 {
				if !passed || r.exit != nil {
					t.Fatalf("got %+v, passed %v, want a pass; logged %q", r.exit, passed, r.log)
				}
			} else {
				want := &exit{test.status, test.body, map[string]any{"Content-Type": []any{"application/json; charset=utf-8"}}}
				if passed || !reflect.DeepEqual(r.exit, want) {
					t.Fatalf("got %+v, passed %v, want %+v; logged %q", r.exit, passed, want, r.log)
				}
			}
			if test.headers != nil && !reflect.DeepEqual(lower(r.headers), test.headers) {
				t.Errorf("the upstream is told %v, want %v", lower(r.headers), test.headers)
			}
			if verify, _ := r.ctx["CLIENT_VERIFY_OVERRIDE"].(string); verify != test.verify {
				t.Errorf("client_verify is %q, want %q", verify, test.verify)
			}
			groups := test.groups
			switch {
			case groups == nil && test.cred != "": // none, whatever an earlier plugin said
				groups = false
			case groups == nil:
				groups = "earlier"
			}
			if !reflect.DeepEqual(r.shared["authenticated_groups"], groups) {
				t.Errorf("groups %v, want %v", r.shared["authenticated_groups"], groups)
			}
			if log := strings.Join(r.log, "\n"); !strings.Contains(log, test.log) {
				t.Errorf("logged %q, want %q", log, test.log)
			}
			authenticated(t, r, test.consumer, test.cred)
		})
	}
}

// authenticated checks whom the request is authenticated as, and by what
// credential; "*" is any.
func authenticated(t *testing.T, r *request, consumer map[string]any, credential string) {
	t.Helper()
	set, _ := r.ctx["authenticated_credential"].(map[string]any)
	if consumer != nil {
		got, _ := r.consumer.(map[string]any)
		for name, want := range consumer {
			if name != "created_at" && name != "tags" && got[name] != want {
				t.Errorf("consumer %v, want %v", got, consumer)
			}
		}
		if got["custom_id"] == "" || len(got) != len(consumer) {
			t.Errorf("consumer %v, want no more than %v", got, consumer)
		}
		set, _ = r.credential.(map[string]any)
		if credential != "" && set["consumer_id"] != consumer["id"] {
			t.Errorf("the credential %v is not that of %v", set, consumer["id"])
		}
	} else if r.consumer != nil {
		t.Errorf("consumer %v, want none", r.consumer)
	}
	if got, _ := set["id"].(string); got != credential && (credential != "*" || got == "") {
		t.Errorf("credential %v, want %q", set, credential)
	}
}

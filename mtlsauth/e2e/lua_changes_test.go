package e2e

import (
	"fmt"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// What is in Kong's database counts from when it changes, whatever cache_ttl says
// and however often it was used before: DB-less, by POST /config.
func TestLuaConfigurationChanges(t *testing.T) {
	t.Parallel()
	root, other := pki.NewCA("root"), pki.NewCA("other")
	plugins := routes{
		"/echo":    matching([]string{idA}, object{"cache_ttl": 3600}),
		"/default": matching([]string{idA}, object{"cache_ttl": 3600, "default_consumer": "all", "anonymous": "guest"}),
	}
	always := []object{consumer(idAll, "all"), consumer(idGuest, "guest")}
	credential := func(id, subject string, ca any) object {
		return object{"mtls_auth_credentials": []object{{"id": id, "subject_name": subject, "ca_certificate": ca}}}
	}
	const first, second = "11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002"
	r := newLuaRig(t, cas{idA: root}, plugins, twoWorkers, func(o *realkong.Options) { with(t, consumers(always...))(&o.Options) })
	alice, mapped, stranger := root.Client("alice"), root.Client("mapped"), other.Client("alice")

	// Who each of them is, by username, in turn: "" for 401.
	type who struct{ alice, custom, mapped, stranger string }
	type state struct {
		name      string
		cas       cas
		consumers []object
		want      who
		id        string // X-Credential-Identifier of mapped
	}
	for _, s := range []state{
		{"no consumer", cas{idA: root}, nil, who{}, ""},
		{"alice comes", cas{idA: root}, []object{consumer(idAlice, "alice")}, who{alice: "alice"}, ""},
		{"alice gets a custom_id", cas{idA: root}, []object{consumer(idAlice, "alice", object{"custom_id": "4711"})}, who{alice: "alice", custom: "alice"}, ""},
		{"alice is renamed", cas{idA: root}, []object{consumer(idAlice, "carol", object{"custom_id": "4711"})}, who{custom: "carol"}, ""},
		{"her custom_id is another's", cas{idA: root}, []object{consumer(idAlice, "carol"), consumer(idBob, "bob", object{"custom_id": "4711"})}, who{custom: "bob"}, ""},
		{"a credential comes", cas{idA: root}, []object{consumer(idBob, "bob", credential(first, "mapped", nil))}, who{mapped: "bob"}, first},
		{"it is bound to the CA", cas{idA: root}, []object{consumer(idBob, "bob", credential(second, "mapped", object{"id": idA}))}, who{mapped: "bob"}, second},
		{"it is another's", cas{idA: root}, []object{consumer(idAlice, "alice", credential(first, "mapped", nil)), consumer(idBob, "bob")}, who{alice: "alice", mapped: "alice"}, first},
		{"it is another name's", cas{idA: root}, []object{consumer(idBob, "bob", credential(first, "alice", nil))}, who{alice: "bob"}, ""},
		{"the CA is another", cas{idA: other}, []object{consumer(idAlice, "alice")}, who{stranger: "alice"}, ""},
		{"the CA is back", cas{idA: root}, []object{consumer(idAlice, "alice")}, who{alice: "alice"}, ""},
		{"no consumer again", cas{idA: root}, nil, who{}, ""},
	} {
		text := declarative(t, r.upstream, s.cas, plugins, consumers(append(s.consumers, always...)...))
		if err := r.Configure(text); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		is := func() (w who, id string) {
			w.alice = r.get("/echo", alice).seen.Get("X-Consumer-Username")
			w.custom = r.get("/echo", root.Client("4711")).seen.Get("X-Consumer-Username")
			got := r.get("/echo", mapped)
			w.mapped, id = got.seen.Get("X-Consumer-Username"), got.seen.Get("X-Credential-Identifier")
			w.stranger = r.get("/echo", stranger).seen.Get("X-Consumer-Username")
			return w, id
		}
		// Kong answers POST /config a moment before its workers go by it.
		eventually(t, s.name, func() bool {
			for range 3 {
				if w, id := is(); w != s.want || id != s.id {
					return false
				}
			}
			return true
		})
		for range 3 {
			if w, id := is(); w != s.want || id != s.id {
				t.Errorf("%s: got %+v with credential %q, want %+v with %q", s.name, w, id, s.want, s.id)
			}
		}
	}

	// The plugin goes, comes back with another CA, and is another.
	r.expect("alice is no consumer any more", r.get("/default", alice), 200, "")
	for i, step := range []struct {
		config object // of the plugin; nil for none
		alice  int
	}{
		{nil, 200}, {matching([]string{idB}, object{"cache_ttl": 3600}), 401}, {trusted([]string{idA}), 200}, {trusted([]string{idB}), 401},
	} {
		changedPlugins := routes{}
		if step.config != nil {
			changedPlugins["/echo"] = step.config
		}
		open := func(config object) {
			if step.config == nil {
				for _, service := range list(config["services"]) {
					service["routes"] = append(list(service["routes"]), object{"name": "echo", "paths": []string{"/echo"}})
				}
			}
		}
		if err := r.Configure(declarative(t, r.upstream, cas{idA: root, idB: other}, changedPlugins, open)); err != nil {
			t.Fatal(err)
		}
		what := fmt.Sprintf("plugin %d", i)
		eventually(t, what, func() bool {
			for range 4 {
				if r.status("/echo", alice) != step.alice {
					return false
				}
			}
			return true
		})
		for range 4 {
			if got := r.get("/echo", alice); got.status != step.alice {
				t.Errorf("%s: got %d, want %d", what, got.status, step.alice)
			}
		}
	}
}

// A name in a certificate that spells a consumer's id matches no consumer, whatever was
// looked up by that id before.
func TestLuaAnIDIsNoName(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	r := newLuaRig(t, cas{idA: root}, routes{
		"/match":   matching([]string{idA}),
		"/default": matching([]string{idA}, object{"default_consumer": idAlice}),
		"/anon":    matching([]string{idA}, object{"anonymous": idAlice}),
		"/mapped":  matching([]string{idA}, object{"credentials": []object{{"subject_name": "mapped", "consumer": idAlice}}}),
	}, func(o *realkong.Options) {
		with(t, consumers(consumer(idAlice, "alice", object{"custom_id": idBob}), consumer(idBob, "bob")))(&o.Options)
	})
	for range 2 {
		for _, path := range []string{"/default", "/mapped"} {
			got := r.get(path, root.Client("mapped"))
			r.expect(path, got, 200, "")
			if v := got.seen.Get("X-Consumer-Username"); v != "alice" {
				t.Errorf("%s: got %q, want alice", path, v)
			}
		}
		r.expect("anonymous", r.get("/anon", nil), 200, "")
		for _, name := range []string{idAlice, strings.ToUpper(idAlice)} {
			r.expect("an id for a name", r.get("/match", root.Client(name)), 401, failed)
			r.expect("an id in the SAN", r.get("/match", root.Client("x", pki.DNS(name))), 401, failed)
		}
		// It is a custom_id like any other, and not bob's id.
		if got := r.get("/match", root.Client(idBob)); got.seen.Get("X-Consumer-Username") != "alice" {
			t.Errorf("a custom_id that spells an id: got %d as %q, want alice", got.status, got.seen.Get("X-Consumer-Username"))
		}
	}
}

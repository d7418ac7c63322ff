package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// withPostgres gives a rig the database that the environment names: a first node
// empties it and puts the configuration there.
func withPostgres(t testing.TB, first bool) func(*realkong.Options) {
	t.Helper()
	needsKong(t)
	text := os.Getenv(realkong.PostgresVariable)
	if text == "" {
		t.Skip("NO DATABASE HERE: " + realkong.PostgresVariable + " names one, host:port/database; Kong with one was not tried")
	}
	if os.Getenv(realkong.AdminVariable) == "off" {
		t.Skip("the entities are changed through the Admin API")
	}
	database, err := realkong.ParsePostgres(text)
	if err != nil {
		t.Fatal(err)
	}
	database.First = first
	return func(o *realkong.Options) {
		o.Postgres = &database
		o.Settings = append(o.Settings, "db_update_frequency = 1", "worker_state_update_frequency = 1")
	}
}

// admin makes a request to the Admin API, with a body unless it is nil, and expects
// a status.
func (r *rig) admin(method, path string, body object, status int) object {
	r.t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			r.t.Fatal(err)
		}
	}
	req, err := http.NewRequest(method, r.AdminURL()+path, bytes.NewReader(text))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer object
	if resp.StatusCode != http.StatusNoContent {
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			r.t.Fatalf("%s %s: %s: %v", method, path, resp.Status, err)
		}
	}
	if resp.StatusCode != status {
		r.t.Errorf("%s %s: got %s %v, want %d", method, path, resp.Status, answer, status)
	}
	return answer
}

// username is as whom a request passes, "" for 401.
func (r *rig) username(cert *pki.Certificate) string {
	r.t.Helper()
	got := r.get("/echo", cert)
	if got.status != 200 && got.status != 401 {
		r.t.Errorf("got %d %q", got.status, got.message)
	}
	return got.seen.Get("X-Consumer-Username")
}

// With a database, every change through the Admin API counts at the next request on
// the node, in both workers, and on another node when that hears of it; what was
// used before is used no more.
func TestLuaDatabaseChanges(t *testing.T) {
	root, other := pki.NewCA("root"), pki.NewCA("other")
	plugins := routes{"/echo": matching([]string{idA}, object{"cache_ttl": 3600})}
	one := newLuaRig(t, cas{idA: root, idB: other}, plugins, twoWorkers, withPostgres(t, true))
	two := newLuaRig(t, nil, nil, twoWorkers, withPostgres(t, false))
	alice, custom, mapped := root.Client("alice"), root.Client("4711"), root.Client("mapped")
	one.expect("at first", one.get("/echo", alice), 401, failed)
	eventually(t, "the other node is there", func() bool { return two.status("/echo", alice) == 401 })

	var late, slowest time.Duration
	stale, changes := 0, 0
	// change makes a change and expects as whom the certificate passes then.
	change := func(what string, make func(), cert *pki.Certificate, want string) {
		t.Helper()
		make()
		done := time.Now()
		changes++
		// Kong's workers tell each other, which takes them a moment.
		eventually(t, what, func() bool {
			for range 6 { // of which each worker gets some
				if one.username(cert) != want {
					stale++
					late = max(late, time.Since(done))
					return false
				}
			}
			return true
		})
		eventually(t, what+", on the other node", func() bool { return two.username(cert) == want })
		slowest = max(slowest, time.Since(done))
		for range 4 {
			if got := one.username(cert); got != want {
				t.Errorf("%s: got %q, want %q", what, got, want)
			}
		}
	}
	for i := range times(1, 8) {
		round := func(what string) string { return fmt.Sprintf("round %d: %s", i, what) }
		change(round("alice comes"), func() {
			one.admin("POST", "/consumers", object{"id": idAlice, "username": "alice"}, 201)
		}, alice, "alice")
		change(round("she gets a custom_id"), func() { one.admin("PATCH", "/consumers/alice", object{"custom_id": "4711"}, 200) }, custom, "alice")
		change(round("she is renamed"), func() { one.admin("PATCH", "/consumers/"+idAlice, object{"username": "carol"}, 200) }, custom, "carol")
		change(round("her old name matches no consumer"), func() {}, alice, "")
		change(round("another has it"), func() {
			one.admin("PUT", "/consumers/"+idBob, object{"username": "alice"}, 200)
		}, alice, "alice")
		change(round("a credential comes"), func() {
			one.admin("POST", "/consumers/carol/mtls-auth", object{"id": idC, "subject_name": "mapped"}, 201)
		}, mapped, "carol")
		change(round("it is another name's"), func() {
			one.admin("PATCH", "/mtls-auths/"+idC, object{"subject_name": "another"}, 200)
		}, mapped, "")
		change(round("it is bound to the CA"), func() {
			one.admin("PATCH", "/mtls-auths/"+idC, object{"subject_name": "mapped", "ca_certificate": object{"id": idA}}, 200)
		}, mapped, "carol")
		change(round("it goes"), func() { one.admin("DELETE", "/consumers/carol/mtls-auth/"+idC, nil, 204) }, mapped, "")
		change(round("it goes with its consumer"), func() {
			one.admin("POST", "/consumers/carol/mtls-auth", object{"id": idC, "subject_name": "mapped"}, 201)
			one.username(mapped)
			one.admin("DELETE", "/consumers/carol", nil, 204)
		}, mapped, "")
		change(round("the name matches no consumer"), func() { one.admin("DELETE", "/consumers/alice", nil, 204) }, alice, "")
	}
	t.Logf("%d changes: %d answers of the node were of before, the last %v after the change; the other node followed within %v", changes, stale, late, slowest)

	one.admin("POST", "/consumers", object{"id": idAlice, "username": "alice"}, 201)
	one.username(alice)
	replacement := pki.NewCA("replacement")
	change("the CA is another", func() { one.admin("PATCH", "/ca_certificates/"+idA, object{"cert": replacement.PEM()}, 200) }, alice, "")
	change("its client passes", func() {}, replacement.Client("alice"), "alice")
	if one.since(3, 6) { // earlier ones delete what a plugin needs
		one.admin("DELETE", "/ca_certificates/"+idA, nil, 400)
	}

	// The plugin itself: Kong's workers take it up within worker_state_update_frequency.
	id := one.admin("GET", "/routes/echo/plugins", nil, 200)["data"].([]any)[0].(object)["id"].(string)
	one.admin("PATCH", "/plugins/"+id, object{"config": object{"ca_certificates": []string{idB}}}, 200)
	for _, r := range []*rig{one, two} {
		eventually(t, "the plugin has another CA in all workers", func() bool {
			for range 6 {
				if r.username(other.Client("alice")) != "alice" || r.username(replacement.Client("alice")) != "" {
					return false
				}
			}
			return true
		})
	}
}

// The entity is that of Kong Enterprise to those who manage it: decK's requests, as
// its client library makes them.
func TestLuaCredentialsAPI(t *testing.T) {
	root := pki.NewCA("root")
	r := newLuaRig(t, cas{idA: root}, routes{"/echo": matching([]string{idA})}, withPostgres(t, true), func(o *realkong.Options) {
		with(t, consumers(consumer(idAlice, "alice"), consumer(idBob, "bob", object{"mtls_auth_credentials": []object{{"id": idC, "subject_name": "imported", "tags": []string{"a", "b"}}}})))(&o.Options)
	})
	const id = "11111111-0000-4000-8000-000000000001"
	want := func(what string, got object, subject, consumer string, ca any) {
		t.Helper()
		c, _ := got["consumer"].(object)
		is, _ := got["ca_certificate"].(object)
		if got["subject_name"] != subject || c["id"] != consumer || is["id"] != ca || got["created_at"] == nil {
			t.Errorf("%s: got %v", what, got)
		}
	}
	// sync: what there is, then PUT, PATCH and DELETE by id below the consumer.
	all := r.admin("GET", "/mtls-auths?size=1000", nil, 200)["data"].([]any)
	if len(all) != 1 {
		t.Fatalf("got %v, want the one that was imported", all)
	}
	want("imported", all[0].(object), "imported", idBob, nil)
	one := object{"id": id, "subject_name": "bob@example.com", "ca_certificate": object{"id": idA}, "tags": []string{"team"}}
	want("PUT", r.admin("PUT", "/consumers/"+idAlice+"/mtls-auth/"+id, one, 200), "bob@example.com", idAlice, idA)
	want("GET", r.admin("GET", "/consumers/alice/mtls-auth/"+id, nil, 200), "bob@example.com", idAlice, idA)
	want("PATCH", r.admin("PATCH", "/consumers/"+idAlice+"/mtls-auth/"+id, object{"subject_name": "mapped"}, 200), "mapped", idAlice, idA)
	if got := r.username(root.Client("mapped")); got != "alice" {
		t.Errorf("mapped: got %q, want alice", got)
	}
	if n := len(r.admin("GET", "/consumers/alice/mtls-auth", nil, 200)["data"].([]any)); n != 1 {
		t.Errorf("alice has %d credentials, want 1", n)
	}
	if n := len(r.admin("GET", "/mtls-auths?tags=team", nil, 200)["data"].([]any)); n != 1 {
		t.Errorf("%d credentials have the tag, want 1", n)
	}

	// A name under one CA, or under none, is one consumer's.
	r.admin("POST", "/consumers/bob/mtls-auth", object{"subject_name": "mapped", "ca_certificate": object{"id": idA}}, 409)
	r.admin("POST", "/consumers/alice/mtls-auth", object{"subject_name": "imported"}, 409)
	r.admin("POST", "/consumers/bob/mtls-auth", object{"subject_name": "mapped"}, 201)
	// What is no credential.
	r.admin("POST", "/consumers/bob/mtls-auth", object{}, 400)
	r.admin("POST", "/consumers/bob/mtls-auth", object{"subject_name": ""}, 400)
	r.admin("POST", "/consumers/bob/mtls-auth", object{"subject_name": "x", "ca_certificate": object{"id": idB}}, 400)
	r.admin("POST", "/consumers/who/mtls-auth", object{"subject_name": "x"}, 404)
	r.admin("POST", "/mtls-auths", object{"subject_name": "x"}, 400)
	// As key-auth has it, and not 500.
	unknown := object{"subject_name": "x", "consumer": object{"id": "99999999-0000-4000-8000-000000000001"}}
	if got := r.admin("POST", "/mtls-auths", unknown, 400)["message"]; !strings.Contains(fmt.Sprint(got), "does not reference an existing 'consumers' entity") {
		t.Errorf("an unknown consumer: got %v", got)
	}

	r.admin("DELETE", "/consumers/alice/mtls-auth/"+id, nil, 204)
	r.admin("GET", "/consumers/alice/mtls-auth/"+id, nil, 404)
	if got := r.username(root.Client("mapped")); got != "bob" {
		t.Errorf("mapped under any CA: got %q, want bob", got)
	}
	r.admin("DELETE", "/consumers/bob", nil, 204)
	if all := r.admin("GET", "/mtls-auths", nil, 200)["data"].([]any); len(all) != 0 {
		t.Errorf("left of a consumer that is gone: %v", all)
	}
}

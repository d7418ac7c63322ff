package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// A49: a consumer that is renamed or deleted is matched no longer than cache_ttl.
func TestAConsumerGoes(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
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

// A source that is down never means "no consumer matches", with default_consumer and anonymous
// neither.
func TestConsumersThatCanNotBeLookedUp(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, idA+".pem"), root.PEM())
	r := newRig(t, nil, routes{"/echo": matching([]string{idA}, object{"default_consumer": "all", "anonymous": "guest"})},
		with(t, consumers(consumer(idAll, "all"), consumer(idGuest, "guest"))), flags("-ca-dir "+dir+" -admin-url http://127.0.0.1:1"))
	begin := time.Now()
	r.expect("the Admin API is away", r.get("/echo", root.Client("alice")), 500, internal)
	r.expectLog("the Admin API is away", "[error]", `reason="lookup_failed"`)
	r.expect("none sent", r.get("/echo", nil), 500, internal)
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("the answers took %v", took)
	}
}

// A data plane has no Admin API: usernames and ids are known to Kong itself,
// custom ids to no consumer.
func TestConsumersFromKongItself(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, idA+".pem"), root.PEM())
	r := newRig(t, nil, routes{
		"/echo":   matching([]string{idA}, object{"cache_ttl": 0}),
		"/mapped": matching([]string{idA}, object{"credentials": []object{{"subject_name": "mapped", "consumer": idAlice}}}),
	}, with(t, consumers(consumer(idAlice, "alice", object{"custom_id": "4711"}), consumer(idBob, "bob"))), noKongEnv, flags("-ca-dir "+dir))
	r.expectConsumer("by username", r.get("/echo", root.Client("alice")), "alice", idAlice, "4711", "alice")
	r.expectConsumer("by id, as mapped", r.get("/mapped", root.Client("mapped")), "alice", idAlice, "4711", "mapped")
	r.expect("a name that no consumer has", r.get("/echo", root.Client("guest")), 401, failed)
	r.expect("by custom_id", r.get("/echo", root.Client("4711")), 401, failed)
	warned := 0
	for _, line := range r.pluginLines() {
		if strings.Contains(line, "no consumer is found by custom_id") {
			warned++
		}
	}
	if warned != 1 {
		t.Errorf("the log says %d times that custom_id finds no consumer, want once", warned)
	}
	// A UUID-shaped name is a name, not the id of the consumer that has it.
	r.expect("an id for a name", r.get("/echo", root.Client(idAlice)), 500, internal)
}

// The file of -credentials is decK's own, and followed while the server runs.
func TestCredentialsFile(t *testing.T) {
	t.Parallel()
	a, b := pki.NewCA("a"), pki.NewCA("b")
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
		told = told || strings.Contains(line, "source cannot be read") && strings.Contains(line, "nonsense")
	}
	if !told {
		t.Error("Kong's log does not say that the file is broken")
	}
}

// A consumer that is deleted is forgotten at SIGHUP, whatever cache_ttl says:
// with the lookup goes what was decided by it.
func TestSIGHUPForgetsConsumers(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	plugins := routes{"/echo": matching([]string{idA}, object{"cache_ttl": 3600})}
	r := newRig(t, cas{idA: root}, plugins, with(t, consumers(consumer(idAlice, "alice"))))
	alice := root.Client("alice")
	r.expect("alice is there", r.get("/echo", alice), 200, "")
	if r.AdminURL() == "" {
		t.Skip("without an Admin API a new configuration is a reload, and so a new server")
	}
	if err := r.Configure(declarative(t, r.upstream, cas{idA: root}, plugins, consumers(consumer(idBob, "bob")))); err != nil {
		t.Fatal(err)
	}
	r.expect("alice is gone, within cache_ttl", r.get("/echo", alice), 200, "")
	if err := syscall.Kill(r.Process().PID(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "alice is forgotten", func() bool { return r.get("/echo", alice).status == 401 })
}

// Of Kong's declarative format the credentials count as well, which open-source
// Kong does not know.
func TestCredentialsInADeclarativeFile(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	file := filepath.Join(t.TempDir(), "kong.json")
	text, err := json.Marshal(object{
		"_format_version": "3.0",
		"ca_certificates": []object{{"id": idA, "cert": root.PEM()}},
		"consumers": []object{
			consumer(idAlice, "alice"),
			consumer(idBob, "bob", object{"mtls_auth_credentials": []object{{"id": idC, "subject_name": "alice"}}}),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, string(text))
	r := newRig(t, nil, routes{"/echo": matching([]string{idA})}, flags("-declarative-config "+file))
	r.expectConsumer("mapped, although a consumer has the name", r.get("/echo", root.Client("alice")), "bob", idBob, "", idC)
	r.expectConsumer("a consumer of the file", r.get("/echo", root.Client("bob")), "bob", idBob, "", "bob")
}

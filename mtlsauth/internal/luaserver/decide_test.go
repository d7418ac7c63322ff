package luaserver

import (
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

const (
	skipLookup = `,"skip_consumer_lookup":true,"authenticated_group_by":"CN","revocation_check_mode":"SKIP"`
	skipStatus = `,"consumer_by":["username","custom_id"],"revocation_check_mode":"SKIP"`
)

func TestAPolicyIsNeededOnce(t *testing.T) {
	w := newWorld(t)
	root := pki.NewCA("root")
	id, text := policyOf(skipLookup, root.PEM())
	for i := range 3 {
		a, err := w.ask(id, text, root.Client("alice", pki.DNS("alice.example")))
		if err != nil || a.Verdict != "pass" || a.Status != 0 || a.Reason != "passed" || a.Verify != "SUCCESS" {
			t.Fatalf("got %+v, %v, want a pass", a, err)
		}
		if a.header("X-Client-Cert-Dn") != "CN=alice" || a.header("X-Client-Cert-San") != "alice.example" || a.header("X-Consumer-ID") != "" {
			t.Errorf("headers %q", a.Headers)
		}
		if a.Consumer != "" || len(a.Credential) != 64 || !slices.Equal(a.Groups, []string{"alice"}) {
			t.Errorf("got %+v, want a credential without a consumer, and a group", a)
		}
		if a.TTL <= 0 || a.Epoch != w.epochs.now() {
			t.Errorf("kept for %d ms in epoch %q", a.TTL, a.Epoch)
		}
		if w.needs != 1 {
			t.Errorf("request %d: the definition was needed %d times", i, w.needs)
		}
	}
	if len(w.lookups) != 0 {
		t.Errorf("looked up %v with skip_consumer_lookup", w.lookups)
	}
	if w.policies.len() != 1 || w.decisions.Load() != 3 {
		t.Errorf("%d policies, %d decisions", w.policies.len(), w.decisions.Load())
	}
}

func TestWhoIsRefused(t *testing.T) {
	root, other := pki.NewCA("root"), pki.NewCA("other")
	for name, test := range map[string]struct {
		more   string
		cas    []string
		shown  *pki.Certificate
		status int
		reason string
	}{
		"another CA's":         {skipLookup, []string{root.PEM()}, other.Client("eve"), 401, "issuer_not_found"},
		"expired":              {skipLookup, []string{root.PEM()}, root.Client("old", pki.Expired()), 401, "expired"},
		"no CA certificate":    {skipLookup, nil, root.Client("alice"), 500, "ca_not_loaded"},
		"a CA that is none":    {skipLookup, []string{root.Client("no CA").PEM()}, root.Client("alice"), 500, "ca_not_loaded"},
		"no consumer":          {skipStatus, []string{root.PEM()}, root.Client("alice"), 401, "no_consumer"},
		"a configuration":      {`,"cache_ttl":-1`, []string{root.PEM()}, root.Client("alice"), 500, "bad_config"},
		"a CA of another's id": {skipLookup + `,"ca_certificates":["` + otherID + `"]`, []string{root.PEM()}, root.Client("alice"), 500, "ca_not_loaded"},
	} {
		w := newWorld(t)
		id, text := policyOf(test.more, test.cas...)
		a, err := w.ask(id, text, test.shown)
		want := verdictRefuse
		if test.status == 500 {
			want = verdictFault
		}
		if err != nil || a.Verdict != want || a.Status != test.status || a.Reason != test.reason || a.Verify != "FAILED:"+test.reason {
			t.Errorf("%s: got %+v, %v", name, a.verdict, err)
		}
		if len(a.Lines) == 0 || !strings.Contains(a.Lines[len(a.Lines)-1][1], `reason="`+test.reason+`"`) {
			t.Errorf("%s: lines %q", name, a.Lines)
		}
		// Requests that waited for this one are refused with it, and log the same.
		if a.Again == nil || *a.Again != a.Lines[len(a.Lines)-1] {
			t.Errorf("%s: the line for the next request is %q, want %q", name, a.Again, a.Lines)
		}
		if a.Headers != nil || a.Consumer != "" || a.Credential != "" || test.status == 500 && a.TTL != 0 {
			t.Errorf("%s: got %+v", name, a.verdict)
		}
	}
}

// A worker asks again after a change: results of lookups are not cached.
func TestConsumersCountAsTheyAreNow(t *testing.T) {
	w := newWorld(t)
	root := pki.NewCA("root")
	id, text := policyOf(skipStatus, root.PEM())
	shown := root.Client("x", pki.DNS("alice", "second"))

	a, _ := w.ask(id, text, shown)
	if a.Verdict != verdictRefuse {
		t.Fatalf("no consumer: got %+v", a.verdict)
	}
	want := lookup{
		Credentials: [][2]string{{"alice", caID}, {"second", caID}, {"alice", ""}, {"second", ""}},
		Consumers:   [][2]string{{"username", "alice"}, {"custom_id", "alice"}, {"username", "second"}, {"custom_id", "second"}},
	}
	if len(w.lookups) != 1 || !slices.Equal(w.lookups[0].Credentials, want.Credentials) || !slices.Equal(w.lookups[0].Consumers, want.Consumers) {
		t.Errorf("looked up %v, want all at once: %v", w.lookups, want)
	}
	w.consumers[[2]string{"username", "alice"}] = person{ID: aliceID, Username: "alice", CustomID: "c1"}
	a, _ = w.ask(id, text, shown)
	if a.Verdict != verdictPass || a.Consumer != aliceID || a.Credential != "alice" || a.header("X-Consumer-Custom-ID") != "c1" {
		t.Errorf("created: got %+v", a.verdict)
	}
	w.consumers[[2]string{"username", "alice"}] = person{ID: aliceID, Username: "alice", CustomID: "c2"}
	if a, _ = w.ask(id, text, shown); a.header("X-Consumer-Custom-ID") != "c2" {
		t.Errorf("changed: got %+v", a.verdict)
	}
	delete(w.consumers, [2]string{"username", "alice"})
	if a, _ = w.ask(id, text, shown); a.Verdict != verdictRefuse {
		t.Errorf("deleted: got %+v", a.verdict)
	}
	if len(w.lookups) != 4 {
		t.Errorf("%d lookups for 4 requests", len(w.lookups))
	}
}

func TestCredentialsOfKongs(t *testing.T) {
	w := newWorld(t)
	root := pki.NewCA("root")
	id, text := policyOf(skipStatus+`,"credentials":[{"subject_name":"own","consumer":"bob"}]`, root.PEM())
	alice, bob := person{ID: aliceID, Username: "alice"}, person{ID: bobID, Username: "bob"}
	w.credentials[[2]string{"both", ""}] = credential{"any", bob}
	w.credentials[[2]string{"both", caID}] = credential{"bound", alice}
	w.consumers[[2]string{"username", "both"}] = bob
	w.consumers[[2]string{"username", "bob"}] = bob

	for name, want := range map[string][2]string{"both": {aliceID, "bound"}, "own": {bobID, "own"}} {
		a, err := w.ask(id, text, root.Client("x", pki.DNS(name)))
		if err != nil || a.Verdict != verdictPass || a.Consumer != want[0] || a.Credential != want[1] {
			t.Errorf("%s: got %+v, %v, want %v", name, a.verdict, err, want)
		}
	}
	delete(w.credentials, [2]string{"both", caID})
	if a, _ := w.ask(id, text, root.Client("x", pki.DNS("both"))); a.Consumer != bobID || a.Credential != "any" {
		t.Errorf("with no CA: got %+v", a.verdict)
	}
}

func TestAnonymousAndDefault(t *testing.T) {
	w := newWorld(t)
	root := pki.NewCA("root")
	w.consumers[[2]string{"id", aliceID}] = person{ID: aliceID, Username: "alice"}
	w.consumers[[2]string{"username", "guest"}] = person{ID: bobID, Username: "guest"}

	id, text := policyOf(skipStatus+`,"anonymous":"guest","default_consumer":"`+strings.ToUpper(aliceID)+`"`, root.PEM())
	a, err := w.ask(id, text, root.Client("x"))
	if err != nil || a.Verdict != verdictPass || a.Consumer != aliceID || len(a.Credential) != 64 || a.header("X-Anonymous-Consumer") != "" {
		t.Errorf("default_consumer: got %+v, %v", a.verdict, err)
	}
	a, err = w.ask(id, text, root.Client("x", pki.Expired()))
	if err != nil || a.Verdict != verdictPass || a.Consumer != bobID || a.Credential != "" || a.header("X-Anonymous-Consumer") != "true" || a.Verify != "FAILED:expired" {
		t.Errorf("anonymous: got %+v, %v", a.verdict, err)
	}
	if len(w.lookups) != 2 || len(w.lookups[1].Credentials) != 0 {
		t.Errorf("looked up %v, want once a request", w.lookups)
	}
	delete(w.consumers, [2]string{"username", "guest"})
	a, _ = w.ask(id, text, root.Client("x", pki.Expired()))
	if a.Verdict != verdictFault || a.Message != "anonymous consumer guest is configured but doesn't exist" {
		t.Errorf("no anonymous: got %+v", a.verdict)
	}
}

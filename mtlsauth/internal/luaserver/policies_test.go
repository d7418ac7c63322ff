package luaserver

import (
	"fmt"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// The least recently used policy goes, and who needs it is asked for it.
func TestPoliciesAreBounded(t *testing.T) {
	w := newWorld(t)
	w.policies = newPolicies(w.Engine, 2, 0)
	root := pki.NewCA("root")
	shown := root.Client("alice")
	var ids, texts [3]string
	for i := range ids {
		ids[i], texts[i] = policyOf(fmt.Sprintf(`%s,"cache_ttl":%d`, skipLookup, i), root.PEM())
	}
	for _, step := range []struct{ policy, needs int }{{0, 1}, {1, 2}, {0, 2}, {2, 3}, {0, 3}, {1, 4}, {2, 5}} {
		a, err := w.ask(ids[step.policy], texts[step.policy], shown)
		if err != nil || a.Verdict != verdictPass {
			t.Fatalf("got %+v, %v", a, err)
		}
		if w.needs != step.needs || w.policies.len() > 2 {
			t.Errorf("policy %d: needed %d times, want %d; %d are kept", step.policy, w.needs, step.needs, w.policies.len())
		}
	}
}

// Evidence that is replaced ends the epoch for who keeps decisions by it.
func TestReplacedEvidenceEndsTheEpoch(t *testing.T) {
	w := newWorld(t)
	stop := w.run()
	defer stop()
	before, over := w.epochs.watch()
	if _, err := w.exchange(question{Op: "ping", Protocol: Protocol}, ""); err != nil { // it begins with the first question
		t.Fatal(err)
	}
	select {
	case <-over:
		t.Fatal("an epoch ended by itself")
	default:
	}
	w.Drop()
	<-over
	if w.epochs.now() == before {
		t.Error("the epoch is the same")
	}
}

// Each change of a large configuration makes another policy.
func TestPoliciesAreBoundedInBytes(t *testing.T) {
	w := newWorld(t)
	const size = 100 << 10
	w.policies = newPolicies(w.Engine, maxPolicies, 5*size)
	shown := pki.NewCA("root").Client("alice")
	for i := range 10 {
		id, text := policyOf(fmt.Sprintf(`%s,"cache_ttl":%d,"san_dirname_matcher":["%s"]`, skipLookup, i, strings.Repeat("x", size)))
		if a, err := w.ask(id, text, shown); err != nil || a.Reason != "ca_not_loaded" {
			t.Fatalf("got %+v, %v", a, err)
		}
		if n := w.policies.len(); n != min(i+1, 4) {
			t.Errorf("after %d: %d are kept, want 4 at most", i+1, n)
		}
	}
}

package luaserver

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/config"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// A resumed TLS session has the leaf alone.
func TestAResumedSessionIsCompleted(t *testing.T) {
	root, other := pki.NewCA("root"), pki.NewCA("other")
	intermediate := root.Intermediate("issuing")
	alice, bob := intermediate.Client("alice"), intermediate.Client("bob")
	id, text := policyOf(skipLookup, root.PEM())
	otherID, otherText := policyOf(skipLookup, other.PEM())
	w := newWorld(t)
	ask := func(leaf *pki.Certificate, chain, resumed string) answers {
		t.Helper()
		a, err := w.exchange(question{
			Op: "decide", Protocol: Protocol, Version: config.Version, Policy: id, Leaf: leaf.PEM(), Chain: chain,
			Resumed: resumed, Sessions: w.chains.session(),
		}, text)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := ask(alice, "", "."); a.Reason != "issuer_not_found" {
		t.Fatalf("without the intermediate: got %+v", a.verdict)
	}
	chain := alice.PEM() + intermediate.PEM()
	if a := ask(alice, chain, "."); a.Verdict != verdictPass || a.Chain != "" {
		t.Fatalf("with it: got %+v", a.verdict)
	}
	if a := ask(alice, "", "r"); a.Verdict != verdictPass || a.Chain != chain {
		t.Errorf("resumed: got %+v", a.verdict)
	}
	if a := ask(alice, "", "."); a.Reason != "issuer_not_found" {
		t.Errorf("a full handshake without the intermediate: got %+v", a.verdict)
	}
	if a := ask(bob, "", "r"); a.Reason != "issuer_not_found" || a.Status != 401 {
		t.Errorf("another leaf of the same issuer: got %+v", a.verdict)
	}
	// It is validated again: here by other CAs.
	id, text = otherID, otherText
	if a := ask(alice, "", "r"); a.Reason != "issuer_not_found" {
		t.Errorf("for another CA: got %+v", a.verdict)
	}
}

// A chain that is not known ends the sessions, once a minute at most; where the worker
// has not yet heard of this server it is a fault and not the client's.
func TestAResumedSessionWhoseChainIsNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := pki.NewCA("root")
		leaf := root.Intermediate("issuing").Client("alice").PEM()
		id, text := policyOf(skipLookup, root.PEM())
		w := newWorld(t)
		ask := func(sessions string) answers {
			a, err := w.exchange(question{Op: "decide", Protocol: Protocol, Policy: id, Leaf: leaf, Resumed: "r", Sessions: sessions}, text)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		if a := ask("of an earlier server"); a.Status != 500 || a.TTL != 0 {
			t.Errorf("got %+v, want a fault", a.verdict)
		}
		time.Sleep(3 * time.Second) // refusals are cached for two
		first := w.chains.session()
		if a := ask(first); a.Status != 401 || w.chains.session() == first {
			t.Errorf("got %+v, in %s and then %s", a.verdict, first, w.chains.session())
		}
		time.Sleep(3 * time.Second)
		if a := ask(first); a.Status != 401 { // it has not yet heard that sessions ended, and no chain was lost
			t.Errorf("got %+v, want a refusal", a.verdict)
		}
		time.Sleep(3 * time.Second)
		second := w.chains.session()
		if ask(second); w.chains.session() != second {
			t.Error("sessions ended twice in a minute")
		}
		time.Sleep(time.Minute)
		if ask(second); w.chains.session() == second {
			t.Error("sessions did not end after a minute")
		}
	})
}

func TestChainsAreBounded(t *testing.T) {
	c := newChains("p")
	first := c.session()
	big := strings.Repeat("x", 60<<10)
	for i := range 1000 {
		c.add([32]byte{byte(i), byte(i >> 8)}, big[:len(big)-i])
		if c.bytes > maxChainBytes {
			t.Fatalf("%d bytes", c.bytes)
		}
	}
	if c.session() == first {
		t.Error("chains were given up, and sessions go on")
	}
	if !c.miss(first, time.Now()) {
		t.Error("a worker that has not heard so is not outdated")
	}
	if c.of([32]byte{0, 0}) != "" || c.of([32]byte{231, 3}) != big[:len(big)-999] {
		t.Error("the last one is not known, or the first one is")
	}
	c = newChains("p")
	for i := range maxLeaves + 1 {
		c.add([32]byte{byte(i), byte(i >> 8), byte(i >> 16)}, "the same")
	}
	if len(c.byLeaf) != 1 || c.bytes != len("the same") {
		t.Errorf("%d leaves, %d bytes", len(c.byLeaf), c.bytes)
	}
}

// TestChains: the latest chain of a leaf counts, a text is kept once, and sessions go on
// until chains are given up or one is missed.
func TestChains(t *testing.T) {
	c := newChains("p")
	session := c.session()
	one, two := [32]byte{1}, [32]byte{2}
	c.add(one, "")
	if len(c.byLeaf) != 0 {
		t.Error("no chain is kept as one")
	}
	c.add(one, "first")
	c.add(one, "latest")
	c.add(two, "latest")
	if c.of(one) != "latest" || c.of(two) != "latest" || c.of([32]byte{3}) != "" {
		t.Errorf("got %q, %q and %q", c.of(one), c.of(two), c.of([32]byte{3}))
	}
	if want := len("first") + len("latest"); c.bytes != want {
		t.Errorf("%d bytes, want %d", c.bytes, want)
	}
	c.add([32]byte{4}, strings.Repeat("x", maxChainBytes-c.bytes))
	if c.session() != session || c.of(one) == "" {
		t.Error("chains that just fit are given up")
	}
	c.add([32]byte{5}, "y")
	if c.session() == session || c.of(one) != "" || c.of([32]byte{5}) != "y" {
		t.Error("a chain too many, and the others are not given up")
	}
	second := c.session()
	now := time.Now()
	if !c.miss(session, now) {
		t.Error("a session of before chains were given up is not outdated")
	}
	if c.miss(second, now) || c.session() == second {
		t.Error("a session that is known is outdated, or goes on")
	}
	if c.miss(second, now) {
		t.Error("the session before a miss is outdated")
	}
	if !c.miss("of another process", now) {
		t.Error("a session of another process is not outdated")
	}
}

// The worker refuses a verdict without an epoch, and with it its lines.
func TestOverloadIsAWholeVerdict(t *testing.T) {
	w := newWorld(t)
	w.deciding.Store(maxDeciding)
	id, text := policyOf(skipLookup)
	a, err := w.exchange(question{Op: "decide", Protocol: Protocol, Policy: id}, text)
	if err != nil || a.Verdict != verdictFault || a.Epoch != w.epochs.now() || len(a.Lines) == 0 || a.Message == "" {
		t.Errorf("got %+v, %v", a.verdict, err)
	}
	if n := w.deciding.Load(); n != maxDeciding {
		t.Errorf("%d questions are decided afterwards, want the %d of before", n, maxDeciding)
	}
}

func TestNoCertificate(t *testing.T) {
	w := newWorld(t)
	w.consumers[[2]string{"username", "guest"}] = person{ID: bobID, Username: "guest"}
	for _, test := range []struct {
		more, verdict string
		status        int
		headers       int
	}{
		{skipStatus, verdictRefuse, 401, 0},
		{skipStatus + `,"anonymous":"guest"`, verdictPass, 0, 7},
	} {
		id, text := policyOf(test.more)
		a, err := w.exchange(question{Op: "decide", Protocol: Protocol, Policy: id}, text)
		if err != nil || a.Verdict != test.verdict || a.Status != test.status || a.Verify != "NONE" || a.Reason != "none_sent" ||
			a.TTL != 60_000 || len(a.Headers) != test.headers || a.Lines == nil {
			t.Errorf("got %+v, %v", a.verdict, err)
		}
	}
	delete(w.consumers, [2]string{"username", "guest"})
	id, text := policyOf(skipStatus + `,"anonymous":"guest"`)
	if a, _ := w.exchange(question{Op: "decide", Protocol: Protocol, Policy: id}, text); a.Status != 500 || a.TTL != 0 {
		t.Errorf("no such consumer: got %+v", a.verdict)
	}
}

// At each reload watches are left alone by the workers that end.
func TestAWatchWhoseWorkerHasGone(t *testing.T) {
	for _, gone := range []error{syscall.EPIPE, fmt.Errorf("write: %w", syscall.ECONNRESET)} {
		if err := told(gone); err != nil {
			t.Errorf("%v is an error", err)
		}
	}
	if told(syscall.ENOMEM) == nil {
		t.Error("another error is lost")
	}
}

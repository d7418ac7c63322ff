package authn_test

import (
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// Without a cache of lookups what rests on one is decided again for each request, and
// what does not is cached.
func TestUncachedLookups(t *testing.T) {
	root := pki.NewCA("root")
	uncached := func(o *authn.Options) { o.Lookups = nil }
	now := time.Now()
	p := policyOf(trusting(root), looking(uncached)...)
	alice := sent(root.Client("alice"))
	people := knowing("alice")
	first, second := identify(p, alice, people, now), identify(p, alice, people, now)
	if !first.Passed() || first == second || people.asked != 2 {
		t.Errorf("asked %d times, %v: want a lookup each time", people.asked, first.Reason)
	}
	if left := first.Left(now); left <= 59*time.Second || left > time.Minute {
		t.Errorf("it may be cached for %v, want cache_ttl", left)
	}
	delete(people.known, "alice")
	if d := identify(p, alice, people, now); d.Passed() {
		t.Error("a consumer that was deleted passes")
	}
	expired := sent(root.Client("alice", pki.Expired()))
	twice := func(p *authn.Policy, presented authn.Presented) (first, second *authn.Decision) {
		return identify(p, presented, people, now), identify(p, presented, people, now)
	}
	if first, second := twice(p, expired); first != second {
		t.Error("a refusal without a lookup is made twice")
	}
	guests := policyOf(trusting(root), looking(uncached, anonymous("guest"))...)
	people = knowing("guest")
	if first, second := twice(guests, expired); first == second || people.asked != 2 {
		t.Errorf("anonymous: asked %d times, want a lookup each time", people.asked)
	}
	plain := policyOf(trusting(root), uncached)
	if first, second := twice(plain, alice); first != second {
		t.Error("without consumers a decision is made twice")
	}
}

func TestLeft(t *testing.T) {
	root := pki.NewCA("root")
	now := time.Now()
	d := identify(policyOf(trusting(root)), sent(root.Client("alice")), nil, now)
	if got, want := d.Left(now.Add(time.Hour)), d.Left(now)-time.Hour; got != want || got <= 0 {
		t.Errorf("an hour later %v, want %v", got, want)
	}
	if got := d.Left(now.Add(1000 * time.Hour)); got != 0 {
		t.Errorf("when it is over: %v", got)
	}
	if got := authn.Deny(authn.Internal, nil).Left(now); got != 0 {
		t.Errorf("a fault: %v", got)
	}
}

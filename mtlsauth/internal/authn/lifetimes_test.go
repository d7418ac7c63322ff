package authn_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// A decision rests on several lookups, and ends with the first of them, whichever that is.
func TestADecisionEndsWithItsFirstLookup(t *testing.T) {
	root := pki.NewCA("root")
	start := time.Now()
	fallback := func(o *authn.Options) { o.Consumers.Default = consumer.ParseRef("all") }
	byNoName := func(o *authn.Options) { o.Consumers.By = consumer.ConsumerBy{} }
	usages := func(o *authn.Options) { o.Usages = nil }
	for _, test := range []struct {
		name          string
		first, second []func(*authn.Options) // policies with the same cache of lookups
		warm, leaf    string                 // subjects; "": no certificate
		at            time.Duration          // of the second request
		ends          time.Duration          // of its decision
	}{
		{"a consumer", looking(), looking(), "alice", "alice", 50 * time.Second, 60 * time.Second},
		{"no consumer", looking(), looking(), "x", "x", 59500 * time.Millisecond, 60 * time.Second},
		{"no consumer, looked up now", looking(), looking(), "y", "x", 30 * time.Second, 32 * time.Second},
		{"no consumer, without a lookup", looking(), looking(byNoName), "y", "x", 30 * time.Second, 32 * time.Second},
		{"default_consumer, looked up after the name", looking(), looking(fallback), "x", "x", 30 * time.Second, 60 * time.Second},
		{"default_consumer, looked up before the name", looking(fallback), looking(fallback), "y", "x", 30 * time.Second, 60 * time.Second},
		{"default_consumer without names", looking(usages), looking(fallback, byNoName), "x", "x", 30 * time.Second, 90 * time.Second},
		{"anonymous, looked up after the name", looking(), looking(anonymous("all")), "x", "x", 59500 * time.Millisecond, 60 * time.Second},
		{"anonymous, looked up before", looking(anonymous("all")), looking(anonymous("all")), "", "", 59500 * time.Millisecond, 60 * time.Second},
		{"anonymous, looked up now", looking(), looking(anonymous("all")), "x", "", 59500 * time.Millisecond, 61500 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			lookups := consumer.NewLookups(1 << 20)
			shared := func(o *authn.Options) { o.Lookups = lookups }
			dir := knowing("alice", "all")
			of := func(name string) authn.Presented {
				if name == "" {
					return authn.Presented{}
				}
				return sent(root.Client(name))
			}
			identify(policyOf(trusting(root), append(test.first, shared)...), of(test.warm), dir, start)
			now := start.Add(test.at)
			d := identify(policyOf(trusting(root), append(test.second, shared)...), of(test.leaf), dir, now)
			if got := test.at + d.Left(now); got != test.ends {
				t.Errorf("%v (%s) ends after %v, want %v", d.Reason, d.Detail, got, test.ends)
			}
		})
	}
}

// What a proxy handed over and cannot be read is not taken for a client without a
// certificate, and is not cached.
func TestADenialFromBeforeIsNotCached(t *testing.T) {
	set, cache := trusting(pki.NewCA("root")), authn.NewCache()
	p := policyOf(set, looking(anonymous("guest"), func(o *authn.Options) { o.Cache = cache })...)
	dir, now := knowing("guest"), time.Now()
	if d := identify(p, authn.Presented{}, dir, now); d.Reason != authn.NoneSent {
		t.Fatal(d.Reason)
	}
	if n := set.set.waits.Load(); n != 0 {
		t.Errorf("a request without a certificate waited %d times for CA certificates", n)
	}
	before, _ := cache.Size()
	if d := identify(p, authn.Presented{Denied: authn.Deny(authn.Unreadable, nil)}, dir, now); d.Reason != authn.Unreadable {
		t.Errorf("got %v, want unreadable", d.Reason)
	}
	if after, _ := cache.Size(); before != 1 || after != before {
		t.Errorf("%d decisions are cached, and then %d", before, after)
	}
}

// A fault is not cached, and not an answer to the next request.
func TestAFaultIsNotCached(t *testing.T) {
	root, cache := pki.NewCA("root"), authn.NewCache()
	p := policyOf(trusting(root), looking(func(o *authn.Options) { o.Cache = cache })...)
	dir := knowing()
	dir.known["alice"] = nil // cannot be looked up
	alice := sent(root.Client("alice"))
	if d := identify(p, alice, dir, time.Now()); d.Reason != authn.LookupFailed {
		t.Fatal(d.Reason)
	}
	if n, _ := cache.Size(); n != 0 {
		t.Errorf("%d decisions are cached, want none", n)
	}
}

// silent is a directory that never answers.
type silent struct{}

func (silent) Find(ctx context.Context, queries []consumer.Query) []consumer.Result {
	<-ctx.Done()
	results := make([]consumer.Result, len(queries))
	for i := range results {
		results[i].Err = ctx.Err()
	}
	return results
}

func TestLookupsEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := pki.NewCA("root")
		for name, p := range map[string]*authn.Policy{
			"consumer":  policyOf(trusting(root), looking()...),
			"anonymous": policyOf(trusting(root), anonymous("guest"), func(o *authn.Options) { o.Lookups = consumer.NewLookups(1 << 20) }),
		} {
			began := time.Now()
			d := identify(p, sent(root.Client("alice", pki.Expired())), silent{}, began)
			if name == "consumer" {
				d = identify(p, sent(root.Client("alice")), silent{}, began)
			}
			if took := time.Since(began); d.Reason != authn.LookupFailed || took > consumer.MaxWait {
				t.Errorf("%s: %v after %v, want lookup_failed within %v", name, d.Reason, took, consumer.MaxWait)
			}
		}
	})
}

// prefetching is a directory that is asked all at once, and fails.
type prefetching struct{ *people }

func (prefetching) Prefetch(context.Context, consumer.Questions) (*consumer.Credentials, error) {
	return nil, errors.New("the database is down")
}

func TestAPrefetchThatFails(t *testing.T) {
	root := pki.NewCA("root")
	fallback := func(o *authn.Options) { o.Consumers.Default = consumer.ParseRef("all") }
	d := identify(policyOf(trusting(root), looking(fallback)...), sent(root.Client("x")), prefetching{knowing("all")}, time.Now())
	if d.Reason != authn.LookupFailed || d.GoesOn() {
		t.Errorf("got %v, want lookup_failed: a credential may have been missed", d.Reason)
	}
}

// Which CA certificates are missing explains an unknown issuer, and nothing else.
func TestOnlyAnUnknownIssuerIsDueToAMissingCA(t *testing.T) {
	root, other := pki.NewCA("root"), pki.NewCA("other")
	set := trusting(other, root)
	set.set.Missing = []string{"c"}
	for _, test := range []struct {
		name string
		leaf *pki.Certificate
		want authn.Reason
		ca   string
	}{
		{"trusted", root.Client("a"), authn.Passed, "aa"},
		{"expired", root.Client("a", pki.Expired()), authn.Expired, ""},
		{"unknown issuer", pki.NewCA("stranger").Client("a"), authn.CANotLoaded, ""},
	} {
		if d := authenticate(policyOf(set), sent(test.leaf)); d.Reason != test.want || d.CA != test.ca || !slices.Equal(d.Missing, []string{"c"}) {
			t.Errorf("%s: %v below %q, missing %q; want %v below %q", test.name, d.Reason, d.CA, d.Missing, test.want, test.ca)
		}
	}
}

// A refusal lasts seconds, whatever it is for.
func TestARefusalLastsSeconds(t *testing.T) {
	root, now := pki.NewCA("root"), time.Now()
	for _, test := range []struct {
		name   string
		policy *authn.Policy
		sent   authn.Presented
		want   authn.Reason
	}{
		{"expired", policyOf(trusting(root)), sent(root.Client("a", pki.Expired())), authn.Expired},
		{"unreadable", policyOf(trusting(root)), authn.Presented{Leaf: []byte("x")}, authn.Unreadable},
		{"not a SPIFFE ID", policyOf(trusting(root), domains(t, map[string][]string{"example.org": {"a"}})), sent(root.Client("a")), authn.SPIFFEID},
	} {
		if d := test.policy.Authenticate(t.Context(), test.sent, nil, now); d.Reason != test.want || d.Left(now) != 2*time.Second {
			t.Errorf("%s: %v for %v, want %v for 2 s", test.name, d.Reason, d.Left(now), test.want)
		}
	}
}

// inBubble runs a test with a clock of its own.
func inBubble(t *testing.T, name string, f func(*testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

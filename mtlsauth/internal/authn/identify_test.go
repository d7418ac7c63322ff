package authn_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// people is a directory of usernames; a name whose consumer is nil cannot be
// looked up.
type people struct {
	known map[string]*consumer.Consumer
	asked int
}

func (p *people) Find(_ context.Context, queries []consumer.Query) []consumer.Result {
	results := make([]consumer.Result, len(queries))
	for i, q := range queries {
		p.asked++
		if q.By != consumer.ByUsername {
			continue
		}
		c, ok := p.known[q.Value]
		switch {
		case ok && c == nil:
			results[i].Err = errors.New("the source is down")
		case ok:
			results[i].Consumer = c
		}
	}
	return results
}

func knowing(names ...string) *people {
	p := &people{known: map[string]*consumer.Consumer{}}
	for _, name := range names {
		p.known[name] = &consumer.Consumer{ID: "id-of-" + name, Username: name, CustomID: "custom\n"}
	}
	return p
}

func looking(change ...func(*authn.Options)) []func(*authn.Options) {
	credentials, err := consumer.NewCredentials(nil)
	if err != nil {
		panic(err)
	}
	return append([]func(*authn.Options){func(o *authn.Options) {
		o.Lookups = consumer.NewLookups(1 << 20)
		o.CacheTTL = time.Minute
		o.Consumers = &authn.Consumers{By: consumer.ConsumerBy{Username: true}, Credentials: credentials}
	}}, change...)
}

func identify(p *authn.Policy, presented authn.Presented, dir consumer.Directory, now time.Time) *authn.Decision {
	return p.Authenticate(context.Background(), presented, dir, now)
}

func anonymous(name string) func(*authn.Options) {
	return func(o *authn.Options) { o.Anonymous = consumer.ParseRef(name) }
}

func TestWhoeverIsNobodyIsRefused(t *testing.T) {
	root := pki.NewCA("root")
	p := policyOf(trusting(root), looking()...)
	d := identify(p, sent(root.Client("alice")), knowing("alice"), time.Now())
	if !d.Passed() || d.Answer().Consumer.Username != "alice" || d.Answer().CredentialID != "alice" {
		t.Errorf("alice: got %v, %+v", d.Reason, d.Answer())
	}
	for _, h := range d.Answer().Headers {
		if h.Name == "X-Consumer-Custom-ID" && h.Value != "" {
			t.Errorf("a header with a control character is sent: %q", h.Value)
		}
	}
	if d := identify(p, sent(root.Client("bob")), knowing("alice"), time.Now()); d.Reason != authn.NoConsumer || d.Answer().Status != 401 {
		t.Errorf("bob: got %v with %d, want no_consumer with 401", d.Reason, d.Answer().Status)
	}
}

// Of more names than are looked up it is unknown whether a consumer matches one.
func TestTooManyNamesAreNobodysByDefault(t *testing.T) {
	root := pki.NewCA("root")
	p := policyOf(trusting(root), looking(func(o *authn.Options) { o.Consumers.Default = consumer.ParseRef("everybody") })...)
	names := func(n int, last ...string) pki.Option {
		var list []string
		for i := range n - len(last) {
			list = append(list, fmt.Sprintf("n%d.example", i))
		}
		return pki.DNS(append(list, last...)...)
	}
	dir := knowing("everybody", "alice")
	for _, test := range []struct {
		names pki.Option
		want  string
	}{
		{names(64), "everybody"}, {names(64, "alice"), "alice"}, {names(65), ""}, {names(65, "alice"), ""},
	} {
		d := identify(p, sent(root.Client("x", test.names)), dir, time.Now())
		got := ""
		if d.Passed() {
			got = d.Answer().Consumer.Username
		} else if d.Reason != authn.NoConsumer {
			t.Errorf("got %v", d.Reason)
		}
		if got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

// Under name constraints only names of the kinds that they permit count.
func TestNamesThatTheCACanNotVouchFor(t *testing.T) {
	root := pki.NewCA("root")
	confined := root.Intermediate("confined", pki.With(func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"example"}
	}))
	p := policyOf(trusting(root), looking()...)
	dir := knowing("a.example", "alice", "alice@anywhere")
	if d := identify(p, sent(confined.Client("x", pki.DNS("a.example"))), dir, time.Now()); !d.Passed() {
		t.Errorf("a name of the permitted kind: %v (%s)", d.Reason, d.Detail)
	}
	for name, leaf := range map[string]*pki.Certificate{
		"CN": confined.Client("alice"), "e-mail": confined.Client("x", pki.Email("alice@anywhere")),
	} {
		if d := identify(p, sent(leaf), dir, time.Now()); d.Reason != authn.NoConsumer {
			t.Errorf("%s: got %v as %+v, want no_consumer", name, d.Reason, d.Answer().Consumer)
		}
	}
}

func TestALookupThatFailsIsNeverNobody(t *testing.T) {
	root := pki.NewCA("root")
	dir := knowing("everybody", "guest")
	dir.known["alice"] = nil
	p := policyOf(trusting(root), looking(anonymous("guest"), func(o *authn.Options) {
		o.Consumers.Default = consumer.ParseRef("everybody")
	})...)
	now := time.Now()
	if d := identify(p, sent(root.Client("alice")), dir, now); d.Reason != authn.LookupFailed || d.Answer().Status != 500 || d.GoesOn() {
		t.Errorf("got %v with %d, want lookup_failed with 500", d.Reason, d.Answer().Status)
	}
	dir.known["alice"] = &consumer.Consumer{ID: "1", Username: "alice"}
	if d := identify(p, sent(root.Client("alice")), dir, now); !d.Passed() || d.Answer().Consumer.Username != "alice" {
		t.Errorf("once the source is back: got %v, want alice at once", d.Reason)
	}
	if d := identify(p, sent(root.Client("bob")), dir, now); !d.Passed() || d.Answer().Consumer.Username != "everybody" {
		t.Errorf("no consumer: got %v, want default_consumer", d.Reason)
	}
}

func TestAnonymous(t *testing.T) {
	root, stranger := pki.NewCA("root"), pki.NewCA("stranger")
	p := policyOf(trusting(root), looking(anonymous("guest"))...)
	dir := knowing("guest", "alice")
	for name, presented := range map[string]authn.Presented{
		"none sent": {}, "untrusted": sent(stranger.Client("alice")), "expired": sent(root.Client("alice", pki.Expired())), "no consumer": sent(root.Client("x")),
	} {
		d := identify(p, presented, dir, time.Now())
		if d.Passed() || !d.GoesOn() || !d.Anonymous || d.Answer().Consumer.Username != "guest" || d.Answer().CredentialID != "" || len(d.Answer().Groups) > 0 {
			t.Errorf("%s: got %v, goes on %v, %+v", name, d.Reason, d.GoesOn(), d.Answer())
		}
		if !strings.HasPrefix(d.Answer().ClientVerify, "FAILED:") && d.Answer().ClientVerify != "NONE" {
			t.Errorf("%s: verdict %q", name, d.Answer().ClientVerify)
		}
	}
	missing := policyOf(trusting(root), looking(anonymous(`who "is" it`))...)
	d := identify(missing, authn.Presented{}, dir, time.Now())
	if d.Answer().Status != 500 || string(d.Answer().Body()) != `{"message":"anonymous consumer who \"is\" it is configured but doesn't exist"}` {
		t.Errorf("an anonymous consumer that is not there: got %d %s", d.Answer().Status, d.Answer().Body())
	}
	// A server-side failure does not pass as anonymous.
	none := trusting()
	none.set.Missing = []string{"a"}
	if d := identify(policyOf(none, looking(anonymous("guest"))...), sent(root.Client("alice")), dir, time.Now()); d.GoesOn() || d.Answer().Status != 500 {
		t.Errorf("no CA certificate: got %v, goes on %v", d.Reason, d.GoesOn())
	}
}

func TestWhoeverIsAuthenticatedAlreadyGoesOn(t *testing.T) {
	root := pki.NewCA("root")
	dir := knowing("guest")
	or := policyOf(trusting(root), looking(anonymous("guest"))...)
	d := identify(or, authn.Presented{Authenticated: true}, dir, time.Now())
	if !d.GoesOn() || d.Anonymous || d.Answer().Consumer != nil || d.Answer().ClientVerify != "" || dir.asked != 0 {
		t.Errorf("or: got %+v", d)
	}
	for _, h := range d.Answer().Headers {
		if h.Value != "" || !strings.HasPrefix(h.Name, "X-Client-Cert-") {
			t.Errorf("or: header %s is set to %q; the earlier plugin's are its own", h.Name, h.Value)
		}
	}
	and := policyOf(trusting(root), looking()...)
	if d := identify(and, authn.Presented{Authenticated: true}, dir, time.Now()); d.GoesOn() {
		t.Error("and: went on without a certificate")
	}
}

// A decision that rests on a lookup ends with cache_ttl.
func TestADecisionEndsWithTheLookup(t *testing.T) {
	root := pki.NewCA("root")
	p := policyOf(trusting(root), looking()...)
	dir := knowing("alice")
	presented, now := sent(root.Client("alice")), time.Now()
	identify(p, presented, dir, now)
	identify(p, presented, dir, now.Add(59*time.Second))
	if dir.asked != 1 {
		t.Errorf("within cache_ttl %d questions were asked, want 1", dir.asked)
	}
	delete(dir.known, "alice")
	if d := identify(p, presented, dir, now.Add(61*time.Second)); d.Passed() {
		t.Error("alice is gone for longer than cache_ttl, and passes")
	}
	never := policyOf(trusting(root), looking(func(o *authn.Options) { o.CacheTTL = 0 })...)
	dir = knowing("alice")
	for range 3 {
		if d := identify(never, presented, dir, now); !d.Passed() {
			t.Fatal(d.Reason)
		}
	}
	if dir.asked != 3 {
		t.Errorf("with cache_ttl 0 %d questions were asked in 3 requests", dir.asked)
	}
}

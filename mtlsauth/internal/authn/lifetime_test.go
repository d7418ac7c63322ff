package authn_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func (s *caSet) Wait(context.Context) *kongdata.Snapshot { s.waits.Add(1); return s.Snapshot }

func (c cas) Snapshot() *kongdata.Snapshot                { return c.set.Snapshot }
func (c cas) Wait(ctx context.Context) *kongdata.Snapshot { return c.set.Wait(ctx) }

func TestADecisionIsMadeOnce(t *testing.T) {
	root := pki.NewCA("root")
	c := trusting(root)
	p := policyOf(c)
	presented := sent(root.Client("a"))
	first := authenticate(p, presented)
	if second := authenticate(p, presented); second != first || c.set.waits.Load() != 1 {
		t.Errorf("the same certificate was decided %d times", c.set.waits.Load())
	}
	// Another configuration with the same CAs and the same cache decides for
	// itself.
	cache := authn.NewCache()
	shared := func(o *authn.Options) { o.Cache = cache }
	one, other := policyOf(c, shared), policyOf(c, shared)
	if authenticate(one, presented) == authenticate(other, presented) {
		t.Error("two policies share a decision")
	}
	// Where the leaf ends and the chain begins is part of what was presented.
	whole := authn.Presented{Leaf: append(presented.Leaf[:len(presented.Leaf):len(presented.Leaf)], presented.Chain...)}
	if authenticate(one, whole) == authenticate(one, presented) {
		t.Error("a chain sent as a leaf shares a decision with the two sent apart")
	}
	// What was sent with one request must not help another.
	inter := root.Intermediate("inter")
	leaf := inter.Client("b")
	if d := authenticate(p, sent(leaf)); !d.Passed() {
		t.Fatalf("with its chain: %v", d.Reason)
	}
	if d := authenticate(p, authn.Presented{Leaf: []byte(leaf.PEM())}); d.Passed() {
		t.Error("without its chain: passed by the chain of an earlier request")
	}
}

func TestACAThatIsTakenAwayEndsItsDecisions(t *testing.T) {
	root, other := pki.NewCA("root"), pki.NewCA("other")
	c := trusting(root)
	p := policyOf(c)
	presented := sent(root.Client("a"))
	if d := authenticate(p, presented); !d.Passed() {
		t.Fatal(d.Reason)
	}
	c.set.Snapshot = trusting(other).set.Snapshot
	if d := authenticate(p, presented); d.Passed() {
		t.Error("passed by a CA that is not trusted any more")
	}
	c.set.Snapshot = trusting(root).set.Snapshot
	if d := authenticate(p, presented); !d.Passed() {
		t.Errorf("trusted again: %v", d.Reason)
	}
}

// A decision belongs to the CA certificates that it was made with, not to those
// that came while it was made.
func TestCAsThatChangeDuringADecision(t *testing.T) {
	root, other := pki.NewCA("root"), pki.NewCA("other")
	c := changing{trusting(root).set.Snapshot, trusting(other).set.Snapshot}
	p := authn.NewPolicy(authn.Options{CAs: &c, Cache: authn.NewCache()})
	presented := sent(root.Client("a"))
	if d := authenticate(p, presented); !d.Passed() {
		t.Fatal(d.Reason)
	}
	c.used = c.current
	if d := authenticate(p, presented); d.Passed() {
		t.Error("passed by a CA that is not trusted any more")
	}
}

// changing is CA certificates of which one snapshot is used and another
// is the current one at once.
type changing struct{ used, current *kongdata.Snapshot }

func (c *changing) Snapshot() *kongdata.Snapshot            { return c.current }
func (c *changing) Wait(context.Context) *kongdata.Snapshot { return c.used }

// Denials are kept by the thousand and a client decides what is in them.
func TestADenialHoldsNoCertificate(t *testing.T) {
	stranger := pki.NewCA("stranger")
	var names []string
	for i := range 1000 {
		names = append(names, strings.Repeat("n", i%20)+".example")
	}
	leaf := stranger.Client(strings.Repeat("long ", 2000), pki.DNS(names...))
	p := policyOf(trusting(pki.NewCA("root")))
	const denials = 200
	denied := make([]*authn.Decision, 0, denials)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range denials {
		d := authenticate(p, authn.Presented{Leaf: []byte(leaf.PEM()), Chain: []byte(strings.Repeat("x", i))})
		if d.Passed() {
			t.Fatal("passed")
		}
		denied = append(denied, d)
	}
	if each := (int64(heap()) - int64(before)) / denials; each > 8<<10 {
		t.Errorf("each denial takes %d bytes", each)
	}
	runtime.KeepAlive(denied)
}

func TestADecisionEndsWithThePath(t *testing.T) {
	now := time.Now()
	root := pki.NewCA("root")
	inter := root.Intermediate("inter", pki.Valid(now.Add(-time.Hour), now.Add(time.Hour)))
	presented := sent(inter.Client("a"))
	p := policyOf(trusting(root))
	if d := p.Authenticate(context.Background(), presented, nil, now); !d.Passed() {
		t.Fatal(d.Reason)
	}
	if d := p.Authenticate(context.Background(), presented, nil, now.Add(2*time.Hour)); d.Reason != authn.Expired {
		t.Errorf("after the intermediate's notAfter: %v, want expired", d.Reason)
	}
	// A denial is cached for seconds only: a certificate that is shown too early passes once it is valid.
	early := sent(root.Client("b", pki.Valid(now.Add(time.Minute), now.Add(time.Hour))))
	if d := p.Authenticate(context.Background(), early, nil, now); d.Reason != authn.NotYetValid {
		t.Fatal(d.Reason)
	}
	if d := p.Authenticate(context.Background(), early, nil, now.Add(61*time.Second)); !d.Passed() {
		t.Errorf("once it is valid: %v", d.Reason)
	}
}

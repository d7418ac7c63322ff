package authn_test

import (
	"context"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// A decision that is made is told; one that is cached is not, and costs the same memory
// whether or not it could be.
func TestTrace(t *testing.T) {
	root := pki.NewCA("root")
	p, presented, now := policyOf(trusting(root)), sent(root.Client("client")), time.Now()
	steps, paths := 0, 0
	traced := authn.WithTrace(t.Context(), &authn.Trace{
		Step:  func(certpath.Step) { steps++ },
		Paths: func([]certpath.Path) { paths++ },
	})
	decide := func(ctx context.Context) func() {
		return func() {
			if d := p.Authenticate(ctx, presented, nil, now); !d.Passed() {
				t.Errorf("%s: %s", d.Reason, d.Detail)
			}
		}
	}
	decide(traced)()
	if steps < 8 || paths != 1 {
		t.Errorf("told %d steps and %d times the paths", steps, paths)
	}
	steps = 0
	plain, withTrace := testing.AllocsPerRun(100, decide(t.Context())), testing.AllocsPerRun(100, decide(traced))
	if steps != 0 || plain != withTrace {
		t.Errorf("cached decisions: told %d steps; %v allocations, with a trace %v", steps, plain, withTrace)
	}
}

func BenchmarkWarm(b *testing.B) {
	root := pki.NewCA("root")
	p, presented, now := policyOf(trusting(root)), sent(root.Client("client")), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		p.Authenticate(b.Context(), presented, nil, now)
	}
}

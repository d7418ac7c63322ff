package authn_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// slow is a set of CA certificates that takes a second to be known.
type slow struct {
	snapshot *kongdata.Snapshot
	mu       sync.Mutex
	waits    int
}

func (s *slow) Snapshot() *kongdata.Snapshot { return s.snapshot }

func (s *slow) Wait(context.Context) *kongdata.Snapshot {
	s.mu.Lock()
	s.waits++
	s.mu.Unlock()
	time.Sleep(time.Second)
	return s.snapshot
}

// Requests that present the same at the same time are decided once; what the
// memory has no room for is not decided, and not cached either.
func TestEqualRequestsShareADecision(t *testing.T) {
	root := pki.NewCA("root")
	presented, other := sent(root.Client("a")), sent(root.Client("b"))
	snapshot := trusting(root).set.Snapshot
	synctest.Test(t, func(t *testing.T) {
		c := &slow{snapshot: snapshot}
		p := authn.NewPolicy(authn.Options{CAs: c, Cache: authn.NewCache()})
		now := time.Now()
		decisions := make([]*authn.Decision, 20)
		var wg sync.WaitGroup
		for i := range decisions {
			wg.Go(func() {
				sent := presented
				if i == 0 {
					sent = other
				}
				decisions[i] = p.Authenticate(t.Context(), sent, nil, now)
			})
		}
		wg.Wait()
		if c.waits != 2 {
			t.Errorf("20 requests with two certificates were decided %d times, want twice", c.waits)
		}
		for i, d := range decisions[1:] {
			if d != decisions[1] {
				t.Errorf("request %d has a decision of its own", i+1)
			}
		}
		if decisions[0] == decisions[1] {
			t.Error("two certificates share a decision")
		}
	})
}

func TestNoRoomForNewCertificates(t *testing.T) {
	root := pki.NewCA("root")
	full := false
	limiter := authn.NewLimiter(func() bool { return full })
	p := policyOf(trusting(root), func(o *authn.Options) { o.Limiter = limiter })
	known, fresh := sent(root.Client("known")), sent(root.Client("new"))
	if d := authenticate(p, known); !d.Passed() {
		t.Fatal(d.Reason)
	}
	full = true
	if d := authenticate(p, known); !d.Passed() {
		t.Errorf("what was decided before: %v", d.Reason)
	}
	if d := authenticate(p, fresh); d.Reason != authn.Internal || d.Answer().Status != 500 {
		t.Errorf("a new certificate: got %v and %d, want 500", d.Reason, d.Answer().Status)
	}
	full = false
	if d := authenticate(p, fresh); !d.Passed() {
		t.Errorf("with room again: %v", d.Reason)
	}
}

// However many certificates are new, only so many are verified at once, and only
// so many wait.
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := authn.NewLimiter(nil)
		for round := range 2 { // what was refused takes no place of the next
			limits(t, limiter, round+1)
		}
	})
}

func limits(t *testing.T, limiter *authn.Limiter, round int) {
	t.Helper()
	places := limiter.Free()
	release := make(chan struct{})
	var mu sync.Mutex
	running, most, refused := 0, 0, 0
	for range 2000 {
		go func() {
			leave, err := limiter.Acquire(t.Context(), 1)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				refused++
				return
			}
			running++
			most = max(most, running)
			mu.Unlock()
			<-release
			mu.Lock()
			running--
			leave()
		}()
	}
	synctest.Wait()
	if most != places {
		t.Errorf("%d at once, want %d", most, places)
	}
	if want := 2000 - places - authn.MaxWaiting/2; refused != want {
		t.Errorf("%d were refused, want %d", refused, want)
	}
	close(release)
	synctest.Wait()
	if running != 0 || most != places || limiter.Free() != places {
		t.Errorf("%d are left, %d were there at once", running, most)
	}
	if got := limiter.Reached()["verification"]; got != uint64(round*refused) {
		t.Errorf("%d are counted, want %d", got, round*refused)
	}
}

// A flood of new certificates at one policy keeps those of another neither waiting nor out.
func TestPoliciesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := authn.NewLimiter(nil)
		const few, many = 10, 4000
		type place struct {
			policy  uint64
			release func()
		}
		given := make(chan place, few+many)
		var mu sync.Mutex
		refused := map[uint64]int{}
		ask := func(ctx context.Context, policy uint64) {
			go func() {
				release, err := limiter.Acquire(ctx, policy)
				if err != nil {
					mu.Lock()
					refused[policy]++
					mu.Unlock()
					return
				}
				given <- place{policy, release}
			}()
		}
		places := limiter.Free()
		for range many {
			ask(t.Context(), 1)
		}
		synctest.Wait()
		for range few {
			ask(t.Context(), 2)
		}
		gone, leave := context.WithCancel(t.Context())
		ask(gone, 3)
		synctest.Wait()
		leave()
		synctest.Wait()
		had := 0
		for range places + 2*few {
			p := <-given
			if p.policy == 2 {
				had++
			}
			p.release()
			synctest.Wait()
		}
		if had != few || refused[1] == 0 || refused[2] != 0 || refused[3] != 1 {
			t.Errorf("%d of the second policy had a place after %d turns, want %d; refused: %v", had, places+2*few, few, refused)
		}
		for len(given) > 0 {
			(<-given).release()
			synctest.Wait()
		}
		if limiter.Free() != places {
			t.Errorf("%d places are free, want %d", limiter.Free(), places)
		}
	})
}

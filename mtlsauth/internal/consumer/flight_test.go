package consumer_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
)

func TestEqualLookupsAreShared(t *testing.T) {
	for _, maxAge := range []time.Duration{0, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			directory := town()
			directory.before = func(ctx context.Context, _ []consumer.Query) { sleep(ctx, time.Second) }
			l := consumer.NewLookups()
			var group sync.WaitGroup
			for i := range 100 {
				group.Go(func() {
					name := []string{"alice", "bob"}[i%2]
					id, _, err := who(t, l, name, consumer.Ask{Directory: directory, Shared: true, Now: time.Now(), MaxAge: maxAge})
					if want := []string{uuid(101), uuid(102)}[i%2]; err != nil || id != want {
						t.Errorf("%s: got %q, %v", name, id, err)
					}
				})
			}
			group.Wait()
			if len(directory.batches) != 2 {
				t.Errorf("asked %q", directory.asked())
			}
		})
	}
}

// A directory that lives with one request serves no other.
func TestLookupsOfARequestsOwnDirectoryAreNotShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := consumer.NewLookups()
		var asked, closed atomic.Int32
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				own := town()
				done := false
				own.before = func(ctx context.Context, _ []consumer.Query) {
					asked.Add(1)
					sleep(ctx, time.Second)
					if done {
						closed.Add(1)
					}
				}
				id, _, err := who(t, l, "alice", consumer.Ask{Directory: own, Now: time.Now(), MaxAge: time.Minute})
				done = true
				if err != nil || id != uuid(101) {
					t.Errorf("got %q, %v", id, err)
				}
			})
		}
		group.Wait()
		synctest.Wait()
		if asked.Load() != 10 || closed.Load() > 0 {
			t.Errorf("asked %d times, %d of them after the request's end", asked.Load(), closed.Load())
		}
	})
}

// A request that goes away fails no other one that waits for the same.
func TestALookupOutlivesWhoBeganIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		directory := town()
		directory.before = func(ctx context.Context, _ []consumer.Query) { sleep(ctx, time.Second) }
		l := consumer.NewLookups()
		m := &consumer.Matcher{Lookups: l}
		ask := consumer.Ask{Directory: directory, Shared: true, Now: time.Now(), MaxAge: time.Minute}
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			if c, _, err := m.Resolve(ctx, consumer.ParseRef("alice"), ask); !errors.Is(err, context.Canceled) || c != nil {
				t.Errorf("the first: got %v, %v", c, err)
			}
		})
		synctest.Wait()
		group.Go(func() {
			if c, _, err := m.Resolve(t.Context(), consumer.ParseRef("alice"), ask); err != nil || c.ID != uuid(101) {
				t.Errorf("the second: got %v, %v", c, err)
			}
		})
		synctest.Wait()
		cancel()
		group.Wait()
		if len(directory.batches) != 1 {
			t.Errorf("asked %q", directory.asked())
		}
	})
}

// What was asked before Forget reaches who waits for it, and nobody later.
func TestForgetDuringALookup(t *testing.T) {
	for _, shared := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			directory := town()
			var begun atomic.Int32
			directory.before = func(ctx context.Context, _ []consumer.Query) {
				begun.Add(1)
				sleep(ctx, time.Second)
			}
			l := consumer.NewLookups()
			ask := consumer.Ask{Directory: directory, Shared: shared, Now: time.Now(), MaxAge: time.Minute}
			var group sync.WaitGroup
			lookUp := func() {
				if id, _, err := who(t, l, "alice", ask); err != nil || id != uuid(101) {
					t.Errorf("got %q, %v", id, err)
				}
			}
			group.Go(lookUp)
			synctest.Wait()
			l.Forget()
			time.Sleep(time.Millisecond)
			group.Go(lookUp) // while the first is running
			synctest.Wait()
			if begun.Load() != 2 {
				t.Errorf("%d lookups were begun, want one before Forget and one after", begun.Load())
			}
			time.Sleep(time.Second - time.Microsecond)
			synctest.Wait() // the first has ended
			if found, absent := l.CacheLen(); found+absent > 0 {
				t.Errorf("kept what was asked before Forget")
			}
			if shared {
				group.Go(lookUp) // with the second, which is still running
			}
			group.Wait()
			for range 2 {
				if len(directory.batches) != 2 {
					t.Errorf("asked %q", directory.asked())
				}
				lookUp()
			}
		})
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// Many requests at once, through both kinds of directory, with Forget between
// them: for the race detector, and every answer must be right.
func TestManyRequestsAtOnce(t *testing.T) {
	directory := town()
	down := consumer.Query{By: consumer.ByUsername, Value: "down"}
	directory.fail[down] = errors.New("down")
	l := consumer.NewLookups()
	l.SetCacheLimits(2, 1<<20, 2, 1<<20)
	m := &consumer.Matcher{ConsumerBy: both, Lookups: l}
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			for j := range 200 {
				ask := consumer.Ask{Directory: directory, Shared: (i+j)%3 > 0, Now: start.Add(time.Duration(j) * time.Second), MaxAge: time.Duration(i%4) * 10 * time.Second}
				names := [][]string{{"x", "y", "alice"}, {"bob"}, {"down", "bob"}, {"y", "z", "c-carol", "down"}, {"nobody"}}[(i+j)%5]
				got, err := m.Match(t.Context(), consumer.Subject{Names: named(names...)}, ask)
				want := []string{uuid(101), uuid(102), "", uuid(103), ""}[(i+j)%5]
				if (err != nil) != (names[0] == "down") || want != "" && (got.Consumer == nil || got.Consumer.ID != want) || want == "" && got.Consumer != nil {
					t.Errorf("%v: got %+v, %v", names, got, err)
				}
				if j%50 == 0 {
					l.Forget()
				}
			}
		})
	}
	group.Wait()
}

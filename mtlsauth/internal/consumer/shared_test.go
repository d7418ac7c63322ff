package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
)

func TestEqualQueriesAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		directory := town()
		directory.before = func(ctx context.Context, _ []consumer.Query) { sleep(ctx, time.Second) }
		shared := consumer.NewShared(directory)
		var group sync.WaitGroup
		for i := range 100 {
			group.Go(func() {
				name := []string{"alice", "bob"}[i%2]
				id, _, err := who(t, newLookups(), name, consumer.Ask{Directory: shared, Now: time.Now()})
				if want := []string{uuid(101), uuid(102)}[i%2]; err != nil || id != want {
					t.Errorf("%s: got %q, %v", name, id, err)
				}
			})
		}
		group.Wait()
		if len(directory.batches) != 2 {
			t.Errorf("asked %q", directory.asked())
		}
		// One after the other they are asked again: nothing is kept.
		if _, _, err := who(t, newLookups(), "alice", consumer.Ask{Directory: shared, Now: time.Now()}); err != nil || len(directory.batches) != 3 {
			t.Errorf("asked %q, %v", directory.asked(), err)
		}
	})
}

// A username and a custom_id of one value are two queries.
func TestSharedQueriesAreToldApart(t *testing.T) {
	shared := consumer.NewShared(town())
	results := shared.Find(t.Context(), []consumer.Query{{By: consumer.ByUsername, Value: "alice"}, {By: consumer.ByCustomID, Value: "alice"}, {By: consumer.ByUsername, Value: "ghost"}})
	if results[0].Consumer.ID != uuid(101) || results[1].Consumer.ID != uuid(102) || results[2].Consumer != nil || results[2].Err != nil {
		t.Errorf("got %+v", results)
	}
}

// A request that goes away fails no other one that waits for the same.
func TestAQueryOutlivesTheRequestThatBeganIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		directory := town()
		directory.before = func(ctx context.Context, _ []consumer.Query) { sleep(ctx, time.Second) }
		m := &consumer.Matcher{Lookups: newLookups()}
		ask := consumer.Ask{Directory: consumer.NewShared(directory), Now: time.Now(), MaxAge: time.Minute}
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

// What was asked before Forget reaches the request that waits for it, and no
// later one.
func TestForgetDuringALookup(t *testing.T) {
	for _, isShared := range []bool{false, true} {
		t.Run(fmt.Sprintf("shared %v", isShared), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				directory := town()
				var begun atomic.Int32
				directory.before = func(ctx context.Context, _ []consumer.Query) {
					begun.Add(1)
					sleep(ctx, time.Second)
				}
				l := newLookups()
				shared := consumer.NewShared(directory)
				ask := consumer.Ask{Directory: directory, Now: time.Now(), MaxAge: time.Minute}
				if isShared {
					ask.Directory = shared
				}
				var group sync.WaitGroup
				lookUp := func() {
					if id, _, err := who(t, l, "alice", ask); err != nil || id != uuid(101) {
						t.Errorf("got %q, %v", id, err)
					}
				}
				group.Go(lookUp)
				synctest.Wait()
				l.Forget()
				shared.Forget()
				time.Sleep(time.Millisecond)
				group.Go(lookUp) // while the first is under way
				synctest.Wait()
				if begun.Load() != 2 {
					t.Errorf("%d lookups were begun, want one before Forget and one after", begun.Load())
				}
				time.Sleep(time.Second - time.Microsecond)
				synctest.Wait() // the first has ended
				if found, absent := l.CacheLen(); found+absent > 0 {
					t.Errorf("kept what was asked before Forget")
				}
				if isShared {
					group.Go(lookUp) // with the second, which is still under way
				}
				group.Wait()
				for range 2 {
					if len(directory.batches) != 2 {
						t.Errorf("asked %q", directory.asked())
					}
					lookUp()
				}
			})
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
	directories := []consumer.Directory{directory, consumer.NewShared(directory)}
	l := newLookups()
	l.SetCacheLimits(2, 1<<20, 2, 1<<20)
	m := &consumer.Matcher{ConsumerBy: both, Lookups: l}
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			for j := range 200 {
				ask := consumer.Ask{Directory: directories[(i+j)%2], Now: start.Add(time.Duration(j) * time.Second), MaxAge: time.Duration(i%4) * 10 * time.Second}
				names := [][]string{{"x", "y", "alice"}, {"bob"}, {"down", "bob"}, {"y", "z", "c-carol", "down"}, {"absent"}}[(i+j)%5]
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

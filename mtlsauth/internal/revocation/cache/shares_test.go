package cache

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// However much one trust anchor takes, the next gets half of what is left.
func TestShares(t *testing.T) {
	s := NewShares("places", 64)
	take := func(anchor byte, n int64) (got int64) {
		for s.Take(Anchor{anchor}, n) == nil {
			got += n
		}
		return got
	}
	for anchor, want := range []int64{64, 32, 16, 8, 4, 2, 1} {
		if anchor == 0 {
			continue // the operator's own, below
		}
		if got := take(byte(anchor), 1); got != want {
			t.Errorf("anchor %d took %d, want %d", anchor, got, want)
		}
	}
	if got := take(7, 1); got != 1 {
		t.Errorf("the last place: %d, want 1", got)
	}
	if err := s.Take(Anchor{8}, 1); !errors.Is(err, ErrLimit) {
		t.Errorf("of nothing that is left: %v, want ErrLimit", err)
	}
	s.Give(Anchor{1}, 32)
	if got := take(2, 1); got != 8 {
		t.Errorf("after another gave back 32, anchor 2 took %d more, want 8", got)
	}
	if got := take(0, 1); got != 24 {
		t.Errorf("the operator's own took %d, want all that is left, 24", got)
	}
	if len(s.byAnchor) != 7 {
		t.Errorf("%d accounts, want 7", len(s.byAnchor))
	}
}

// Places to run go in turn to the trust anchors that wait, and to requests before
// renewals.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := turns{Shares: NewShares("places", 4)}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		var order []string
		wait := func(name string, anchor byte, renewal bool) {
			go func() {
				if err := turns.take(ctx, Anchor{anchor}, renewal); err == nil {
					order = append(order, name)
				}
			}()
			synctest.Wait()
		}
		for range 2 {
			wait("one", 1, false)
		}
		wait("two", 2, false)
		wait("a renewal of one", 1, true)
		for range 3 {
			wait("one", 1, false)
		}
		wait("two", 2, false)
		wait("three", 3, false)
		want := []string{"one", "one", "two", "three"}
		check := func(what string) {
			t.Helper()
			if len(order) != len(want) {
				t.Fatalf("%s: got %q, want %q", what, order, want)
			}
			for n := range want {
				if order[n] != want[n] {
					t.Fatalf("%s: got %q, want %q", what, order, want)
				}
			}
		}
		check("at first")
		give := func(anchor byte, next string) {
			turns.give(Anchor{anchor})
			synctest.Wait()
			if next != "" {
				want = append(want, next)
			}
			check("after one was given back")
		}
		give(1, "")    // each has half of what the others leave
		give(3, "one") // before its renewal, and before two, which came later
		give(2, "two")
		give(1, "one")
		cancel()
		synctest.Wait()
		if len(turns.waiting) != 0 {
			t.Errorf("%d wait after their time", len(turns.waiting))
		}
	})
}

// A request whose time is over while its exchange waits for a place to run has met a limit
// of ours; before and after that, a host that is slow.
func TestLateBeforeAPlace(t *testing.T) {
	for _, test := range []struct {
		name  string
		taken int64 // places
		enter bool
		want  error
	}{
		{"it has just begun", maxRunning, false, ErrLate},
		{"it waits for a place", maxRunning, true, ErrLimit},
		{"it runs", 0, true, ErrLate},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				xs := NewExchanges(func(err error) { t.Error(err) })
				if err := xs.running.Take(Anchor{}, test.taken); err != nil {
					t.Fatal(err)
				}
				c := New(Options[int]{Exchanges: xs, Most: 10})
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				reply := c.Get(ctx, Key{}, Question[int]{Fetch: func(x *Exchange, _ int, _ bool) Outcome[int] {
					if test.enter {
						leave, err := x.Enter()
						if err != nil {
							return Outcome[int]{Err: err}
						}
						defer leave()
					}
					time.Sleep(time.Minute)
					return Outcome[int]{Err: errors.New("nothing")}
				}}, time.Now)
				if !errors.Is(reply.Err, test.want) {
					t.Errorf("got %v, want %v", reply.Err, test.want)
				}
				time.Sleep(time.Hour)
			})
		})
	}
}

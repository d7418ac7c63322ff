package cache

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

var errDown = errors.New("down")

func TestOneExchangeForMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWell(t)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { w.expect("one of many", 1, time.Second) })
		}
		wg.Wait()
		w.expect("later", 1, 0)
		w.expectDrawn("a hundred requests", 1)
		// Those that ask in another way have no part in the exchange, but in
		// what came of it.
		w.expect("by a proxy", 1, 0, by("proxy:1"))
		w.expectDrawn("by a proxy", 1)
	})
}

func TestWaysOfAskingDoNotShareExchanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWell(t)
		var wg sync.WaitGroup
		for _, way := range []func(*Question[int]){timeout(time.Second), timeout(2 * time.Second), by("proxy:1"), by("proxy:2")} {
			wg.Go(func() { w.ask(way) })
			wg.Go(func() { w.ask(way) })
		}
		wg.Wait()
		w.expectDrawn("four ways, twice each", 4)
	})
}

func TestTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWell(t)
		r := w.expect("first", 1, time.Second)
		if got := time.Until(r.Until); got != time.Minute {
			t.Errorf("to ask again in %v, want a minute", got)
		}
		// No request comes for long, so that it is not renewed.
		time.Sleep(10 * time.Minute)
		before := w.drawn()
		w.expect("idle for long", before+1, time.Second)
		time.Sleep(30 * time.Second)
		w.expect("half a ttl later", before+1, 0)
		w.expectDrawn("half a ttl later", before+1)
		// Of another configuration the ttl is another.
		w.expect("with a ttl of ten seconds", before+2, time.Second, ttl(10*time.Second))
	})
}

// What was renewed for a request is not renewed once more for the plan.
func TestRenewedInBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWell(t)
		w.expect("first", 1, time.Second)
		time.Sleep(40 * time.Second)
		w.expect("with a ttl of ten seconds", 2, time.Second, ttl(10*time.Second))
		w.expect("with that of a minute", 2, 0)
		time.Sleep(50 * time.Second)
		w.expectDrawn("past the time that was planned at first", 2)
		time.Sleep(15 * time.Second)
		w.expectDrawn("a minute after the second", 3)
	})
}

func TestIdleIsNotRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWell(t)
		w.expect("first", 1, time.Second)
		// The request that had it asked for makes one renewal, and no other does.
		time.Sleep(time.Hour)
		w.expectDrawn("idle for an hour", 2)
	})
}

func TestInUseIsRenewedInTheBackground(t *testing.T) {
	for _, test := range []struct {
		name string
		ttl  time.Duration
		life time.Duration
		want int // renewals in ten minutes, to within one
	}{
		{"after the ttl", time.Minute, time.Hour, 9},
		{"before its life ends", time.Hour, 80 * time.Second, 9},
	} {
		bubble(t, test.name, func(t *testing.T) {
			w := newWell(t)
			w.life = test.life
			w.ask(ttl(test.ttl))
			for range 600 {
				time.Sleep(time.Second)
				began := time.Now()
				if r := w.ask(ttl(test.ttl)); !r.Usable || time.Since(began) != 0 {
					t.Fatalf("a request waited for %v, usable is %v", time.Since(began), r.Usable)
				}
			}
			if got := w.drawn() - 1; got < test.want-1 || got > test.want+1 {
				t.Errorf("%d renewals in ten minutes, want %d", got, test.want)
			}
		})
	}
}

// What is idle past its ttl is waited for, where the request wants it current,
// and serves once more where not.
func TestIdlePastTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWell(t)
		w.expect("first", 1, time.Second)
		time.Sleep(10 * time.Minute)
		w.expect("not current", 2, 0, serving)
		synctest.Wait()
		w.expect("meanwhile, not current", 2, 0, serving)
		w.expect("meanwhile, current", 2, 0)
		time.Sleep(2 * time.Second)
		w.expect("after the exchange", 3, 0)
		// While asking fails, what is known serves.
		time.Sleep(10 * time.Minute)
		n := w.drawn()
		w.set(func() { w.err = errDown })
		r := w.expect("while it is down", n, time.Second)
		if got := time.Until(r.Until); got != time.Second {
			t.Errorf("to ask again in %v, want a second", got)
		}
		w.expect("before the next attempt", n, 0)
		time.Sleep(time.Hour)
		if r := w.expect("past its life", 0, time.Second); !errors.Is(r.Err, errDown) {
			t.Errorf("past its life: %v, want that it is down", r.Err)
		}
	})
}

// With a ttl of nothing each request asks, those at the same time together.
func TestNoTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWell(t)
		for n := range 3 {
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() { w.expect("ten at once", n+1, time.Second, ttl(0)) })
			}
			wg.Wait()
		}
		time.Sleep(time.Minute)
		w.expectDrawn("three times ten requests", 3)
	})
}

func TestPanicInAnExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWell(t)
		w.dry = true
		r := w.expect("a panic", 0, time.Second)
		if !errors.Is(r.Err, ErrPanic) || !strings.Contains(r.Err.Error(), "dry") {
			t.Errorf("got %v", r.Err)
		}
		w.set(func() { w.dry = false })
		time.Sleep(3 * time.Second)
		w.expect("after it", 2, 0)
	})
}

// What is replaced by another value counts, once; what fails, agrees or confirms
// does not.
func TestReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWell(t)
		w.expect("first", 1, time.Second)
		counts := func(what string, want uint64) {
			t.Helper()
			if got := w.options.Replaced.Load(); got != want {
				t.Errorf("%s: %d were replaced, want %d", what, got, want)
			}
		}
		counts("the first value", 0)
		w.set(func() { w.err = errDown })
		time.Sleep(2 * time.Minute)
		w.ask()
		counts("an exchange failed", 0)
		w.set(func() { w.err, w.same = nil, true })
		time.Sleep(10 * time.Minute)
		w.expect("confirmed", 1, time.Second)
		counts("it was confirmed", 0)
		if r := w.ask(); time.Until(r.Until) != time.Minute {
			t.Errorf("confirmed: to ask again in %v, want a minute", time.Until(r.Until))
		}
		w.set(func() { w.same = false })
		time.Sleep(2 * time.Minute)
		w.ask()
		if w.options.Replaced.Load() == 0 {
			t.Error("a value that was replaced does not count")
		}
		w.entry.end()
		// A request that still has the entry gets nothing of what it was.
		if r := w.ask(serving); r.Value != 0 || r.Usable {
			t.Errorf("after its end: %+v", r)
		}
	})
}

// Neither a clock that was set back nor one that was set forward makes a value
// live longer.
func TestClockThatIsSet(t *testing.T) {
	known := time.Now()
	s := &entry[int]{has: true, known: known, until: known.Round(0).Add(time.Hour)}
	for _, test := range []struct {
		name   string
		passed time.Duration // by the monotonic clock
		set    time.Duration
		want   bool
	}{
		{"not set", 59 * time.Minute, 0, true},
		{"not set, and over", time.Hour, 0, false},
		{"set back", 59 * time.Minute, -10 * time.Hour, true},
		{"set back, and over", time.Hour, -10 * time.Hour, false},
		{"set forward", time.Minute, 10 * time.Minute, true},
		{"set forward past its end", time.Minute, time.Hour, false},
	} {
		now := known.Add(test.passed)
		// The wall clock of a Time with both counts seconds from bit 30 on.
		*(*uint64)(unsafe.Pointer(&now)) += uint64(test.set/time.Second) << 30
		if got := now.Round(0).Sub(known.Round(0)); got != test.passed+test.set || now.Sub(known) != test.passed {
			t.Fatalf("%s: %v passed by the wall clock: the test is void", test.name, got)
		}
		if got := s.usable(now); got != test.want {
			t.Errorf("%s: usable is %v", test.name, got)
		}
	}
}

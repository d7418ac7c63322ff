package cache

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// The first retry is after a second, the others after five more each. A request
// that is patient waits for one that is due.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWell(t)
		w.takes, w.err = 100*time.Millisecond, errDown
		for range 400 {
			if r := w.ask(patient); r.Usable || !errors.Is(r.Err, errDown) {
				t.Fatalf("got %+v", r)
			}
			time.Sleep(50 * time.Millisecond)
		}
		if len(w.began) != 5 {
			t.Fatalf("%d exchanges within 20 s, want 5", len(w.began))
		}
		for n, want := range []time.Duration{time.Second, 5 * time.Second, 5 * time.Second, 5 * time.Second} {
			pause := w.began[n+1].Sub(w.began[n]) - w.takes
			if pause < want || pause > want+50*time.Millisecond {
				t.Errorf("attempt %d after a pause of %v, want %v", n+2, pause, want)
			}
		}
	})
}

func TestBackoffBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWell(t)
		w.takes, w.err = 0, errDown
		for range 30 {
			w.ask()
			time.Sleep(time.Second)
		}
		w.set(func() { w.err = nil })
		time.Sleep(10 * time.Second)
		n := w.drawn()
		w.expect("it is up", n, 0)
		w.set(func() { w.err = errDown })
		for range 120 {
			time.Sleep(time.Second)
			w.expect("in use", n, 0)
		}
		if pause := w.began[n+1].Sub(w.began[n]); pause != time.Second {
			t.Errorf("the first retry after %v, want a second", pause)
		}
	})
}

func TestPatience(t *testing.T) {
	for _, test := range []struct {
		name  string
		after time.Duration // the first attempt, which fails after a second
		ways  []func(*Question[int])
		value int
		wait  time.Duration
	}{
		{"before the retry", 500 * time.Millisecond, []func(*Question[int]){patient}, 0, 0},
		{"when the retry is due", time.Second, []func(*Question[int]){patient}, 2, time.Second},
		{"impatient, when the retry is due", time.Second, nil, 0, 0},
		{"impatient, while it runs", 1500 * time.Millisecond, nil, 0, 0},
		{"patient, while it runs", 1500 * time.Millisecond, []func(*Question[int]){patient}, 2, 500 * time.Millisecond},
		{"impatient, long after", 20 * time.Second, nil, 2, 0},
	} {
		bubble(t, test.name, func(t *testing.T) {
			w := newWell(t)
			w.err = errDown
			w.expect("first", 0, time.Second)
			w.set(func() { w.err = nil })
			time.Sleep(test.after)
			w.expect("second", test.value, test.wait, test.ways...)
		})
	}
}

// A failure counts for who asks alike; what is known counts for all.
func TestFailuresAreKeptApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWell(t)
		w.err = errDown
		w.expect("first", 0, time.Second)
		w.expect("again", 0, 0)
		w.set(func() { w.err = nil })
		w.expect("again, though it is up", 0, 0)
		w.expect("with another timeout", 2, time.Second, timeout(time.Minute))
		w.expect("the first way, by what the other brought", 2, 0)
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWell(t)
		w.err = errDown
		w.expect("first", 0, time.Second)
		w.set(func() { w.err = nil })
		w.expect("by a proxy", 2, time.Second, by("proxy:1"))
	})
}

// A limit of our own says nothing of the address: the next request tries again.
func TestLimitIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWell(t)
		w.err = fmt.Errorf("%w: things", ErrLimit)
		if r := w.expect("a limit", 0, time.Second); !errors.Is(r.Err, ErrLimit) {
			t.Errorf("got %v, want ErrLimit", r.Err)
		}
		w.set(func() { w.err = nil })
		w.expect("at once after it", 2, time.Second)
	})
	// An error may say itself when to try again.
	synctest.Test(t, func(t *testing.T) {
		w := newWell(t)
		w.err, w.retry = errDown, time.Now().Add(7*time.Second)
		w.expect("a breaker", 0, time.Second)
		w.set(func() { w.err = nil })
		time.Sleep(5 * time.Second)
		w.expect("before its time", 0, 0)
		time.Sleep(time.Second)
		w.expect("at its time", 2, time.Second, patient)
	})
}

// There are too many exchanges for one more.
func TestTooManyExchanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWell(t)
		w.shared.waiting.most = 0
		if r := w.expect("no exchange may start", 0, 0); !errors.Is(r.Err, ErrLimit) {
			t.Errorf("got %v, want ErrLimit", r.Err)
		}
		w.shared.waiting.most = 1
		w.expect("one may", 1, time.Second)
	})
}

// Two exchanges, asked in different ways, are under way at once: the one that
// ends last had not seen what the other brought, and does not replace it unless it is later.
func TestExchangesThatOverlap(t *testing.T) {
	for _, test := range []struct {
		name string
		slow Outcome[int]
		want int
	}{
		{"an earlier answer", Outcome[int]{Value: 50, Got: true}, 200},
		{"a later answer", Outcome[int]{Value: 300, Got: true}, 300},
		{"what was known is confirmed", Outcome[int]{Value: 100, Got: true, Change: Confirmed}, 200},
		{"an earlier answer that is not good enough", Outcome[int]{Value: 50, Got: true, Err: errDown}, 200},
	} {
		bubble(t, test.name, func(t *testing.T) {
			w := newWell(t)
			w.options.Later = func(value, known, _ int) bool { return value > known }
			released := map[int]int{}
			w.options.Release = func(old, kept int) { released[old]++ }
			hours := func(n int) time.Time { return time.Now().Add(time.Duration(n) * time.Hour) }
			bring := func(after time.Duration, out Outcome[int], until int) func(*Question[int]) {
				made := false // retries fail
				return func(q *Question[int]) {
					q.Fetch = func(*Exchange, int, bool) Outcome[int] {
						if made {
							return Outcome[int]{Err: errDown}
						}
						made = true
						time.Sleep(after)
						out.Known, out.Until = time.Now(), hours(until)
						return out
					}
				}
			}
			w.expect("at first", 100, 0, bring(0, Outcome[int]{Value: 100, Got: true}, 10))
			time.Sleep(2 * time.Minute)
			go w.ask(ttl(0), timeout(time.Second), bring(20*time.Second, test.slow, 10))
			go w.ask(ttl(0), timeout(2*time.Second), bring(time.Second, Outcome[int]{Value: 200, Got: true}, 1))
			time.Sleep(30 * time.Second)
			w.expect("after both", test.want, 0)
			if test.want == 200 {
				time.Sleep(time.Hour)
				if r := w.entry.untried(nil, time.Now()); r.Usable {
					t.Error("the answer lives longer by the other's life")
				}
			}
			for value, times := range released {
				if value == test.want || times > 1 && value != 0 && value != 100 {
					t.Errorf("released %v times", released)
				}
			}
		})
	}
}

// What many ways of asking leave behind is bounded.
func TestWaysAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWell(t)
		w.takes = 0
		for n := range 4 * maxWays {
			w.ask(by(fmt.Sprint("proxy:", n)), ttl(0))
		}
		if got := len(w.entry.ways); got > maxWays {
			t.Errorf("%d ways are remembered, want at most %d", got, maxWays)
		}
	})
}

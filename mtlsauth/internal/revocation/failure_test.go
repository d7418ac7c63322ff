package revocation

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
			if r := w.ask(patient); r.usable || !errors.Is(r.err, errDown) {
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
		ways  []func(*question[int])
		value int
		wait  time.Duration
	}{
		{"before the retry", 500 * time.Millisecond, []func(*question[int]){patient}, 0, 0},
		{"when the retry is due", time.Second, []func(*question[int]){patient}, 2, time.Second},
		{"impatient, when the retry is due", time.Second, nil, 0, 0},
		{"impatient, while it runs", 1500 * time.Millisecond, nil, 0, 0},
		{"patient, while it runs", 1500 * time.Millisecond, []func(*question[int]){patient}, 2, 500 * time.Millisecond},
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
		w.err = limitError("things", 1)
		if r := w.expect("a limit", 0, time.Second); !errors.Is(r.err, ErrLimit) {
			t.Errorf("got %v, want ErrLimit", r.err)
		}
		w.set(func() { w.err = nil })
		w.expect("at once after it", 2, time.Second)
	})
	// Nor is a breaker that is open one failure more: it says itself when.
	synctest.Test(t, func(t *testing.T) {
		w := newWell(t)
		w.err = &brokenError{time.Now().Add(7 * time.Second), errDown}
		w.expect("a breaker", 0, time.Second)
		w.set(func() { w.err = nil })
		time.Sleep(5 * time.Second)
		w.expect("before its time", 0, 0)
		time.Sleep(time.Second)
		w.expect("at its time", 2, time.Second, patient)
	})
}

// There are too many exchanges for one more.
func TestTooManyFlights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWell(t)
		w.checker.flights.most = 0
		if r := w.expect("no exchange may start", 0, 0); !errors.Is(r.err, ErrLimit) {
			t.Errorf("got %v, want ErrLimit", r.err)
		}
		w.checker.flights.most = 1
		w.expect("one may", 1, time.Second)
		w.checker.waiting.most = 0
		time.Sleep(2 * time.Hour)
		if r := w.expect("no request may wait", 0, 0); !errors.Is(r.err, ErrLimit) {
			t.Errorf("got %v, want ErrLimit", r.err)
		}
	})
}

// Two exchanges, asked in different ways, are under way at once: the one that
// ends last had not seen what the other brought, and does not replace it unless it is later.
func TestExchangesThatOverlap(t *testing.T) {
	for _, test := range []struct {
		name string
		slow outcome[int]
		want int
	}{
		{"an earlier answer", outcome[int]{value: 50, got: true}, 200},
		{"a later answer", outcome[int]{value: 300, got: true}, 300},
		{"what was known is confirmed", outcome[int]{value: 100, got: true, same: true}, 200},
		{"an earlier answer that is not good enough", outcome[int]{value: 50, got: true, err: errDown}, 200},
	} {
		bubble(t, test.name, func(t *testing.T) {
			w := newWell(t)
			w.slot.later = func(value, known int) bool { return value > known }
			released := map[int]int{}
			w.slot.release = func(old, kept int) { released[old]++ }
			hours := func(n int) time.Time { return time.Now().Add(time.Duration(n) * time.Hour) }
			bring := func(after time.Duration, out outcome[int], until int) func(*question[int]) {
				made := false // retries fail
				return func(q *question[int]) {
					q.exchange = func(*flight, int, bool) outcome[int] {
						if made {
							return outcome[int]{err: errDown}
						}
						made = true
						time.Sleep(after)
						out.known, out.until = time.Now(), hours(until)
						return out
					}
				}
			}
			w.expect("at first", 100, 0, bring(0, outcome[int]{value: 100, got: true}, 10))
			time.Sleep(2 * time.Minute)
			go w.ask(ttl(0), timeout(time.Second), bring(20*time.Second, test.slow, 10))
			go w.ask(ttl(0), timeout(2*time.Second), bring(time.Second, outcome[int]{value: 200, got: true}, 1))
			time.Sleep(30 * time.Second)
			w.expect("after both", test.want, 0)
			if test.want == 200 {
				time.Sleep(time.Hour)
				if r := w.slot.untried(nil, time.Now()); r.usable {
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
		for n := range 4 * maxTries {
			w.ask(by(fmt.Sprint("proxy:", n)), ttl(0))
		}
		if got := len(w.slot.tries); got > maxTries {
			t.Errorf("%d ways are remembered, want at most %d", got, maxTries)
		}
	})
}

package revocation

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/fetch"
)

// bubble runs a part of a test with a time of its own.
func bubble(t *testing.T, name string, f func(*testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// well is one slot and what it draws from: an exchange takes so long, fails
// with err or brings the number of the exchange, good for so long. The checker
// around it has the plan and the limits.
type well struct {
	t       *testing.T
	checker *Checker
	slot    *slot[int]

	mu        sync.Mutex
	takes     time.Duration
	life      time.Duration
	err       error
	same      bool // what is known is confirmed
	dry       bool // panic
	exchanges int
	began     []time.Time // the exchanges
}

// newWell returns one within a bubble of synctest, with the plan running.
func newWell(t *testing.T) *well {
	w := &well{t: t, checker: New(Options{}), slot: &slot[int]{version: new(atomic.Uint64)}, takes: time.Second, life: time.Hour}
	go w.checker.Run(t.Context())
	t.Cleanup(func() { time.Sleep(time.Minute) }) // for exchanges that are under way
	return w
}

func (w *well) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *well) drawn() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.exchanges
}

func (w *well) exchange(_ *flight, before int, has bool) outcome[int] {
	w.mu.Lock()
	w.exchanges++
	w.began = append(w.began, time.Now())
	n, takes := w.exchanges, w.takes
	w.mu.Unlock()
	time.Sleep(takes)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dry {
		panic("dry")
	}
	if w.err != nil {
		return outcome[int]{err: w.err}
	}
	now := time.Now()
	if w.same && has {
		return outcome[int]{value: before, got: true, same: true, known: now, until: now.Add(w.life)}
	}
	return outcome[int]{value: n, got: true, known: now, until: now.Add(w.life)}
}

// asks are ways to ask the well.
func (w *well) question(change ...func(*question[int])) question[int] {
	q := question[int]{asked: asked{timeout: 5 * time.Second}, ttl: time.Minute, current: true, exchange: w.exchange}
	for _, f := range change {
		f(&q)
	}
	return q
}

func ttl(d time.Duration) func(*question[int]) { return func(q *question[int]) { q.ttl = d } }
func patient(q *question[int])                 { q.patient = true }
func serving(q *question[int])                 { q.current = false }
func timeout(d time.Duration) func(*question[int]) {
	return func(q *question[int]) { q.timeout = d }
}
func by(proxy string) func(*question[int]) {
	return func(q *question[int]) { q.how = fetch.How{HTTPProxy: proxy} }
}

// ask is a request that needs the value.
func (w *well) ask(change ...func(*question[int])) reply[int] {
	now := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), maxBudget)
	defer cancel()
	i := &inquiry{checker: w.checker, ctx: ctx, began: now, clock: now}
	return await(i, w.slot, w.question(change...))
}

// expect asks, and checks what was answered (0 for nothing usable) and how long
// that took.
func (w *well) expect(what string, want int, wait time.Duration, change ...func(*question[int])) reply[int] {
	w.t.Helper()
	began := time.Now()
	r := w.ask(change...)
	got := r.value
	if !r.usable {
		got = 0
	}
	if took := time.Since(began); got != want || took != wait {
		w.t.Errorf("%s: got %d after %v, want %d after %v", what, got, took, want, wait)
	}
	if r.usable == (r.err != nil) {
		w.t.Errorf("%s: usable is %v and the error %v", what, r.usable, r.err)
	}
	return r
}

// expectDrawn checks how many exchanges were made so far.
func (w *well) expectDrawn(what string, want int) {
	w.t.Helper()
	if got := w.drawn(); got != want {
		w.t.Errorf("%s: %d exchanges so far, want %d", what, got, want)
	}
}

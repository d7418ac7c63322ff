package cache

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// bubble runs a part of a test with a time of its own.
func bubble(t *testing.T, name string, f func(*testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// well is one entry and what it draws from: an exchange takes so long, fails
// with err or brings the number of the exchange, good for so long.
type well struct {
	t       *testing.T
	options *Options[int]
	shared  *Exchanges
	entry   *entry[int]

	mu        sync.Mutex
	takes     time.Duration
	life      time.Duration
	err       error
	retry     time.Time
	same      bool // what is known is confirmed
	dry       bool // panic
	exchanges int
	began     []time.Time // the exchanges
}

// newWell returns one within a bubble of synctest, with the plan running.
func newWell(t *testing.T) *well {
	xs := NewExchanges(func(error) {})
	o := &Options[int]{Exchanges: xs, Replaced: new(atomic.Uint64)}
	w := &well{t: t, options: o, shared: xs, entry: &entry[int]{o: o}, takes: time.Second, life: time.Hour}
	go xs.Run(t.Context())
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

func (w *well) exchange(_ *Exchange, before int, has bool) Outcome[int] {
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
		return Outcome[int]{Err: w.err, Retry: w.retry}
	}
	now := time.Now()
	if w.same && has {
		return Outcome[int]{Value: before, Got: true, Change: Confirmed, Known: now, Until: now.Add(w.life)}
	}
	return Outcome[int]{Value: n, Got: true, Known: now, Until: now.Add(w.life)}
}

// wayOf is a way of asking.
type wayOf struct {
	timeout time.Duration
	proxy   string
}

// question is how the well is asked, but for what change makes of it.
func (w *well) question(change ...func(*Question[int])) Question[int] {
	q := Question[int]{Way: wayOf{timeout: 5 * time.Second}, TTL: time.Minute, Current: true, Fetch: w.exchange}
	for _, f := range change {
		f(&q)
	}
	return q
}

func ttl(d time.Duration) func(*Question[int]) { return func(q *Question[int]) { q.TTL = d } }
func patient(q *Question[int])                 { q.Patient = true }
func serving(q *Question[int])                 { q.Current = false }
func timeout(d time.Duration) func(*Question[int]) {
	return func(q *Question[int]) { q.Way = wayOf{timeout: d, proxy: q.Way.(wayOf).proxy} }
}
func by(proxy string) func(*Question[int]) {
	return func(q *Question[int]) { q.Way = wayOf{timeout: q.Way.(wayOf).timeout, proxy: proxy} }
}

// ask is a request that needs the value.
func (w *well) ask(change ...func(*Question[int])) Reply[int] {
	ctx, cancel := context.WithTimeout(context.Background(), maxWait)
	defer cancel()
	return w.entry.get(ctx, w.question(change...), time.Now)
}

// expect asks, and checks what was answered (0 for nothing usable) and how long
// that took.
func (w *well) expect(what string, want int, wait time.Duration, change ...func(*Question[int])) Reply[int] {
	w.t.Helper()
	began := time.Now()
	r := w.ask(change...)
	got := r.Value
	if !r.Usable {
		got = 0
	}
	if took := time.Since(began); got != want || took != wait {
		w.t.Errorf("%s: got %d after %v, want %d after %v", what, got, took, want, wait)
	}
	if r.Usable == (r.Err != nil) {
		w.t.Errorf("%s: usable is %v and the error %v", what, r.Usable, r.Err)
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

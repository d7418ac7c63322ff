package cache

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// next is when a way of asking is to be renewed, if it is wanted then. What is
// asked again at each request is not.
func (e *entry[V]) next(w *way[V], now time.Time) (time.Time, bool) {
	if w.failures > 0 {
		return w.next, true
	}
	at := e.due(w.question.TTL)
	if at.Before(now) {
		at = now.Add(soon)
	}
	return at, w.question.TTL >= soon
}

// renewAt plans a renewal.
func (e *entry[V]) renewAt(w *way[V], at time.Time) {
	e.o.Exchanges.plan.add(at, func() {
		if next, again := e.renew(w, time.Now()); again {
			e.renewAt(w, next)
		}
	})
}

// renew starts an exchange if the value is due and was wanted since the last time.
// It returns when to come again, if so.
func (e *entry[V]) renew(w *way[V], now time.Time) (time.Time, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w.planned = false
	if e.gone || w.exchange != nil || !w.wanted {
		return time.Time{}, false
	}
	// A request may have had it renewed in between.
	if at, again := e.next(w, now.Add(-soon)); again && at.After(now) {
		w.at, w.planned = at, true
		return at, true
	}
	if err := e.start(w, &Exchange{renewal: true, retry: w.failures > 0}); err != nil {
		w.at, w.planned = now.Add(soon), true
		return w.at, true
	}
	w.wanted = false
	return time.Time{}, false
}

// plan is what is renewed when: at most one renewal for each way of each entry.
type plan struct {
	mu      sync.Mutex
	entries renewals
	changed chan struct{} // the first entry is another
}

type renewal struct {
	at    time.Time
	renew func()
}

func newPlan() *plan { return &plan{changed: make(chan struct{}, 1)} }

func (p *plan) add(at time.Time, renew func()) {
	p.mu.Lock()
	heap.Push(&p.entries, renewal{at, renew})
	first := p.entries[0].at.Equal(at)
	p.mu.Unlock()
	if first {
		select {
		case p.changed <- struct{}{}:
		default:
		}
	}
}

// take removes and returns what is due at an instant, else when the next is.
func (p *plan) take(now time.Time) (due []func(), next time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.entries) > 0 {
		if first := p.entries[0]; first.at.After(now) {
			return due, first.at
		}
		due = append(due, heap.Pop(&p.entries).(renewal).renew)
	}
	return due, time.Time{}
}

// run renews until ctx ends.
func (p *plan) run(ctx context.Context, clock func() time.Time) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		due, next := p.take(clock())
		for _, renew := range due {
			renew()
		}
		wait := time.Hour
		if !next.IsZero() {
			wait = max(next.Sub(clock()), 0)
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-p.changed:
		}
	}
}

// renewals is a heap, the earliest first.
type renewals []renewal

func (r renewals) Len() int           { return len(r) }
func (r renewals) Less(i, j int) bool { return r[i].at.Before(r[j].at) }
func (r renewals) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *renewals) Push(x any)        { *r = append(*r, x.(renewal)) }
func (r *renewals) Pop() any {
	old := *r
	last := old[len(old)-1]
	old[len(old)-1] = renewal{}
	*r = old[:len(old)-1]
	return last
}

package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

const (
	// maxRunning bounds the exchanges that run at once: descriptors, and what a
	// responder has to bear from one gateway.
	maxRunning = 64
	// maxWaiting bounds the exchanges that wait to, a goroutine each, and so the
	// entries that requests wait for.
	maxWaiting = 8192
	// maxWait bounds how long one waits: no request waits longer.
	maxWait = 45 * time.Second
)

// ErrPanic is a fault in this program.
var ErrPanic = errors.New("a fault in this program")

// Exchanges run what caches ask for.
type Exchanges struct {
	running turns
	waiting *Shares
	plan    *plan
	log     func(error) // of ErrPanic
}

// NewExchanges returns one; its Run has to be called. log is told of panics.
func NewExchanges(log func(error)) *Exchanges {
	return &Exchanges{
		running: turns{Shares: NewShares("exchanges that run", maxRunning)},
		waiting: NewShares("exchanges that wait", maxWaiting),
		plan:    newPlan(),
		log:     log,
	}
}

// Run renews what is in use until ctx ends.
func (xs *Exchanges) Run(ctx context.Context) { xs.plan.run(ctx, time.Now) }

// Exchange is one that is under way.
type Exchange struct {
	exchanges *Exchanges
	anchor    Anchor
	done      chan struct{}
	err       error // when done
	// awaited says that requests wait for it; else what was known before serves
	// until it is over.
	awaited bool
	// retry says that it follows a failure closely.
	retry bool
	// renewal says that it was planned, and not asked for by a request.
	renewal bool
	// ours says that it waits for something of ours, a place to run or the disk: a
	// request that has no time left has then met a limit of ours, not a host that is slow.
	ours atomic.Bool
}

// Ours says whether the exchange waits for something of ours, such as the disk.
func (x *Exchange) Ours(ours bool) { x.ours.Store(ours) }

// Enter waits for a place among the exchanges that run; leave gives it back. Its
// error is ErrLimit.
func (x *Exchange) Enter() (leave func(), err error) {
	if !x.exchanges.running.try(x.anchor) {
		x.Ours(true)
		ctx, cancel := context.WithTimeout(context.Background(), maxWait)
		defer cancel()
		if err := x.exchanges.running.take(ctx, x.anchor, x.renewal); err != nil {
			return nil, err
		}
	}
	x.Ours(false)
	return func() { x.exchanges.running.give(x.anchor) }, nil
}

// start starts an exchange. It is called under the entry's lock and does not wait.
func (e *entry[V]) start(w *way[V], x *Exchange) error {
	xs := e.o.Exchanges
	x.exchanges, x.anchor, x.done = xs, w.question.Anchor, make(chan struct{})
	if err := xs.waiting.Take(x.anchor, 1); err != nil {
		return err
	}
	w.exchange = x
	go func() {
		defer xs.waiting.Give(x.anchor, 1)
		next, again := e.run(w, x)
		if errors.Is(x.err, ErrPanic) {
			xs.log(x.err)
		}
		if again {
			e.renewAt(w, next)
		}
	}()
	return nil
}

// run carries out an exchange and keeps what came of it. It returns when the way
// of asking is due again, false for not by itself.
func (e *entry[V]) run(w *way[V], x *Exchange) (next time.Time, again bool) {
	e.mu.Lock()
	fetch, before, has, was := w.question.Fetch, e.value, e.has, e.count
	e.mu.Unlock()
	out := guarded(fetch, x, before, has)
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.keep(out, before, was)
	w.exchange, x.err = nil, out.Err
	close(x.done)
	switch {
	case out.Err == nil:
		w.failures, w.err = 0, nil
	case errors.Is(out.Err, ErrLimit): // says nothing of the host
	case !out.Retry.IsZero():
		w.err, w.failures, w.next = out.Err, max(w.failures, 1), out.Retry
	default:
		w.err = out.Err
		w.failures++
		w.next = now.Add(backoff(w.failures))
	}
	if e.gone || w.planned {
		return time.Time{}, false
	}
	w.at, w.planned = e.next(w, now)
	return w.at, w.planned
}

// keep keeps what an exchange brought that began with a value before it, the one
// of that count. Another exchange may have replaced the value since, asked in
// another way; then only what is later than that counts.
func (e *entry[V]) keep(out Outcome[V], before V, was uint64) {
	if !out.Got {
		return
	}
	old, kept := e.value, out.Value
	overtaken, confirmed := e.count != was, out.Change == Confirmed
	switch {
	case e.gone, overtaken && (confirmed || e.o.Later == nil || !e.o.Later(out.Value, e.value, before)):
		// What was known before is not let go once more.
		old, kept = out.Value, before
	case !confirmed:
		if e.has && (overtaken || out.Change != Agrees) {
			e.replaced()
		}
		e.value, e.has = out.Value, true
		e.count++
		fallthrough
	default:
		if !out.Until.IsZero() {
			e.known, e.until = out.Known, out.Until
		}
	}
	if !confirmed {
		e.release(old, kept)
	}
}

// guarded turns a panic into an error: it is of one exchange.
func guarded[V any](fetch func(*Exchange, V, bool) Outcome[V], x *Exchange, before V, has bool) (out Outcome[V]) {
	defer func() {
		if r := recover(); r != nil {
			out = Outcome[V]{Err: Panicked(r)}
		}
	}()
	return fetch(x, before, has)
}

// Panicked makes an ErrPanic of what recover returned.
func Panicked(r any) error { return fmt.Errorf("%w: %v\n%s", ErrPanic, r, debug.Stack()) }

package cache

import (
	"sync"
	"time"
)

// entry is what is known of one key.
type entry[V any] struct {
	o *Options[V]

	mu    sync.Mutex
	value V
	has   bool
	count uint64    // of values so far, whatever they say
	known time.Time // when the value was last confirmed
	until time.Time // from when on it cannot be used
	ways  []*way[V]
	gone  bool // out of the cache
}

// way is how one way of asking goes.
type way[V any] struct {
	question Question[V]
	exchange *Exchange // under way
	failures int       // in a row
	next     time.Time // no attempt is made before, after a failure
	err      error     // why the last one failed
	wanted   bool      // by a request, since the last renewal
	planned  bool      // in the plan of renewals
	at       time.Time // when it is planned for
}

const (
	// soon is how long what is known serves while its renewal is under way, before
	// it is looked at again.
	soon = time.Second

	// maxWays bounds the ways of asking that an entry remembers: the configurations
	// that differ in them.
	maxWays = 32
)

// backoff is when an attempt may be made after so many that failed.
func backoff(failures int) time.Duration {
	if failures <= 1 {
		return time.Second
	}
	return 5 * time.Second
}

// due is when a value should be asked for again: after ttl, and in the last quarter
// of its life.
func (e *entry[V]) due(ttl time.Duration) time.Time {
	at := e.known.Add(ttl)
	life := e.until.Sub(e.known.Round(0))
	if early := e.known.Add(max(life*3/4, min(life, soon/4))); early.Before(at) {
		return early
	}
	return at
}

// usable reports a value whose time is not over, by the wall clock or by the
// monotonic clock: one that was set back makes nothing live longer.
func (e *entry[V]) usable(now time.Time) bool {
	return e.has && now.Round(0).Before(e.until) && now.Sub(e.known) < e.until.Sub(e.known.Round(0))
}

// look returns what is known and the exchange to wait for, if any; after that,
// settle. It starts the exchange that is needed.
func (e *entry[V]) look(q Question[V], now time.Time) (Reply[V], *Exchange) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.way(q)
	// What is in use and about to be renewed by itself is not waited for. What
	// is planned for later, by the TTL of another configuration, is.
	renewed := w.wanted && w.planned && !w.at.After(now.Add(soon))
	w.wanted = true
	usable, due := e.usable(now), e.due(q.TTL)
	if usable && now.Before(due) {
		return e.reply(nil, due, now), nil
	}
	if w.exchange == nil {
		if w.failures > 0 && now.Before(w.next) {
			return e.reply(w.err, w.next, now), nil
		}
		retry := w.failures > 0 && now.Before(w.next.Add(soon))
		if err := e.start(w, &Exchange{awaited: !usable || q.Current && !renewed, retry: retry}); err != nil {
			return e.reply(err, now.Add(soon), now), nil
		}
	}
	x := w.exchange
	switch {
	case usable && !(x.awaited && q.Current):
		return e.reply(nil, now.Add(soon), now), nil
	case !usable && x.retry && !q.Patient:
		return e.reply(w.err, now.Add(soon), now), nil
	}
	return Reply[V]{}, x
}

// settle returns what is known after an exchange.
func (e *entry[V]) settle(q Question[V], x *Exchange, now time.Time) Reply[V] {
	e.mu.Lock()
	defer e.mu.Unlock()
	until := e.due(q.TTL)
	if x.err != nil {
		until = now.Add(soon)
		if w := e.way(q); w.failures > 0 {
			until = w.next
		}
	}
	return e.reply(x.err, until, now)
}

// untried returns what is known without asking.
func (e *entry[V]) untried(err error, now time.Time) Reply[V] {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.reply(err, now.Add(soon), now)
}

func (e *entry[V]) reply(err error, until, now time.Time) Reply[V] {
	r := Reply[V]{Value: e.value, Usable: e.usable(now), Until: until, Err: err}
	if r.Usable {
		r.Err = nil
		if e.until.Before(r.Until) {
			r.Until = e.until
		}
	} else if r.Err == nil {
		r.Err = errOver
	}
	return r
}

func (e *entry[V]) way(q Question[V]) *way[V] {
	for _, w := range e.ways {
		if w.question.Way == q.Way {
			w.question = q
			w.question.Waits = nil // which is the request's
			return w
		}
	}
	if len(e.ways) >= maxWays {
		for i, w := range e.ways {
			if w.exchange == nil && !w.planned {
				e.ways = append(e.ways[:i], e.ways[i+1:]...)
				break
			}
		}
	}
	q.Waits = nil
	w := &way[V]{question: q}
	e.ways = append(e.ways, w)
	return w
}

func (e *entry[V]) update(change func(V) (value V, known, until time.Time, ok bool)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone || !e.has {
		return
	}
	value, known, until, ok := change(e.value)
	if !ok {
		return
	}
	old := e.value
	e.value, e.known, e.until = value, known, until
	e.count++
	e.replaced()
	e.release(old, value)
}

// replaced counts a value that was known and says something else now.
func (e *entry[V]) replaced() {
	if e.o.Replaced != nil {
		e.o.Replaced.Add(1)
	}
}

func (e *entry[V]) release(old, kept V) {
	if e.o.Release != nil {
		e.o.Release(old, kept)
	}
}

// end takes the entry out of use.
func (e *entry[V]) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	var none V
	old := e.value
	e.value, e.has, e.gone = none, false, true
	e.release(old, none)
}

// empty reports an entry without a value.
func (e *entry[V]) empty() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.has
}

// idle reports that no request wants the value, and that it may go. What was renewed
// and not asked for since is in use until it is due again.
func (e *entry[V]) idle(mayGo func(V) bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.ways {
		if w.wanted || w.planned || w.exchange != nil {
			return false
		}
	}
	return mayGo(e.value)
}

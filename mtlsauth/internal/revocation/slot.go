package revocation

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// slot keeps what one address said last: about a certificate, or as a CRL. It
// has at most one exchange under way for each way of asking.
type slot[V any] struct {
	// version changes when the value does, and when nobody keeps it up to date
	// any more.
	version *atomic.Uint64
	// release is told that a value is not kept any more, and of the one that
	// still is; nil for who need not know.
	release func(old, kept V)

	mu    sync.Mutex
	value V
	has   bool
	known time.Time // when the value was last confirmed
	until time.Time // from when on it can not be used
	tries []*try[V]
	gone  bool // out of its table
}

// try is how one way of asking goes.
type try[V any] struct {
	asked
	flight   *flight
	failures int       // in a row
	next     time.Time // no attempt is made before, after a failure
	err      error     // why the last one failed
	wanted   bool      // by a request, since the last renewal
	planned  bool      // in the plan of renewals
	question question[V]
}

// flight is an exchange under way.
type flight struct {
	done chan struct{}
	err  error // when done
	// awaited says that requests wait for it; else what was known before
	// serves until it is over.
	awaited bool
	// retry says that it follows a failure closely.
	retry bool
}

// question is what a slot has to know to ask.
type question[V any] struct {
	asked
	ttl time.Duration // after it a value is asked for anew
	// patient requests wait for an attempt to mend what failed.
	patient bool
	// current requests wait where a value is past its ttl and nobody has kept
	// it up to date, rather than use it once more.
	current bool
	// exchange asks; before is what is known, if anything.
	exchange func(before V, has bool) outcome[V]
}

// outcome is what an exchange brought. There may be a value with an error: one
// that is not good enough, yet tells more than what was known.
type outcome[V any] struct {
	value V
	got   bool
	same  bool      // the value that was known is confirmed
	known time.Time // when it was confirmed
	until time.Time // from when on it cannot be used; zero: as before
	err   error
}

// reply is what a slot knows.
type reply[V any] struct {
	value  V
	has    bool
	usable bool
	until  time.Time // when to ask the slot again
	err    error     // why there is nothing usable
	mark   mark
}

// soon is how long what is known serves while its renewal is under way, before
// it is looked at again.
const soon = time.Second

// due is when a value should be asked for anew: after ttl, and before it runs
// out.
func (s *slot[V]) due(ttl time.Duration) time.Time {
	at := s.known.Add(ttl)
	life := s.until.Sub(s.known)
	if early := s.known.Add(max(life*3/4, min(life, 5*time.Second))); early.Before(at) {
		return early
	}
	return at
}

// look returns what is known at an instant and the exchange to wait for, if
// any; after that, settle. It starts what exchange is needed.
func (s *slot[V]) look(q question[V], now time.Time, start func(*slot[V], *try[V], *flight)) (reply[V], *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.try(q)
	// What is in use and about to be renewed by itself is not waited for.
	kept := t.wanted && t.planned
	t.wanted = true
	usable := s.has && now.Before(s.until)
	due := s.due(q.ttl)
	if usable && now.Before(due) {
		return s.reply(nil, due, now), nil
	}
	f := t.flight
	if f == nil {
		if t.failures > 0 && now.Before(t.next) {
			return s.reply(t.err, t.next, now), nil
		}
		f = &flight{
			done:    make(chan struct{}),
			awaited: !usable || q.current && !kept,
			retry:   t.failures > 0 && now.Before(t.next.Add(soon)),
		}
		t.flight = f
		start(s, t, f)
	}
	switch {
	case usable && !(f.awaited && q.current):
		return s.reply(nil, now.Add(soon), now), nil
	case !usable && f.retry && !q.patient:
		return s.reply(t.err, now.Add(soon), now), nil
	}
	return reply[V]{}, f
}

// settle returns what is known after an exchange.
func (s *slot[V]) settle(q question[V], f *flight, now time.Time) reply[V] {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.try(q)
	until := s.due(q.ttl)
	if f.err != nil {
		until = now.Add(soon)
		if t.failures > 0 {
			until = t.next
		}
	}
	return s.reply(f.err, until, now)
}

// untried returns what is known without asking: for who will not wait longer.
func (s *slot[V]) untried(err error, now time.Time) reply[V] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reply(err, now.Add(soon), now)
}

func (s *slot[V]) reply(err error, until, now time.Time) reply[V] {
	r := reply[V]{value: s.value, has: s.has, usable: s.has && now.Before(s.until), until: until, err: err, mark: markOf(s.version)}
	if r.usable {
		r.err = nil
		if s.until.Before(r.until) {
			r.until = s.until
		}
	} else if r.err == nil {
		r.err = errors.New("what was answered is not current any more")
	}
	return r
}

// maxTries bounds the ways of asking that a slot remembers: the policies that
// differ in them.
const maxTries = 32

func (s *slot[V]) try(q question[V]) *try[V] {
	for _, t := range s.tries {
		if t.asked == q.asked {
			t.question = q
			return t
		}
	}
	if len(s.tries) >= maxTries {
		for i, t := range s.tries {
			if t.flight == nil && !t.planned {
				s.tries = append(s.tries[:i], s.tries[i+1:]...)
				break
			}
		}
	}
	t := &try[V]{asked: q.asked, question: q}
	s.tries = append(s.tries, t)
	return t
}

// run carries out an exchange and keeps what came of it. It returns when the
// try is due again, false for not by itself.
func (s *slot[V]) run(t *try[V], f *flight, clock func() time.Time) (next time.Time, again bool) {
	s.mu.Lock()
	exchange, before, has := t.question.exchange, s.value, s.has
	s.mu.Unlock()
	out := guarded(exchange, before, has)
	now := clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep(out)
	t.flight, f.err = nil, out.err
	close(f.done)
	switch {
	case out.err == nil:
		t.failures, t.err = 0, nil
	case errors.Is(out.err, ErrLimit): // says nothing of the address
	default:
		t.err = out.err
		if broken, ok := errors.AsType[*brokenError](out.err); ok {
			t.failures, t.next = max(t.failures, 1), broken.next
		} else {
			t.failures++
			t.next = now.Add(backoff(t.failures))
		}
	}
	if s.gone || t.planned {
		return time.Time{}, false
	}
	next, t.planned = s.next(t, now)
	return next, t.planned
}

// keep keeps what an exchange brought.
func (s *slot[V]) keep(out outcome[V]) {
	if out.got && !out.same {
		old, kept := s.value, out.value
		if s.gone {
			old, kept = kept, old
		} else {
			s.value, s.has = out.value, true
			s.version.Add(1)
		}
		if s.release != nil {
			s.release(old, kept)
		}
	}
	if out.got && !out.until.IsZero() {
		s.known, s.until = out.known, out.until
	}
}

// next is when the try is to be renewed, if it is wanted then. What is asked
// anew at each request is not.
func (s *slot[V]) next(t *try[V], now time.Time) (time.Time, bool) {
	if t.failures > 0 {
		return t.next, true
	}
	at := s.due(t.question.ttl)
	if at.Before(now) {
		at = now.Add(soon)
	}
	return at, t.question.ttl >= soon
}

// guarded turns a panic into an error: it is of one exchange.
func guarded[V any](exchange func(V, bool) outcome[V], before V, has bool) (out outcome[V]) {
	defer func() {
		if r := recover(); r != nil {
			out = outcome[V]{err: fmt.Errorf("%w: %v\n%s", errPanic, r, debug.Stack())}
		}
	}()
	return exchange(before, has)
}

var errPanic = errors.New("a fault in this program")

// renew starts an exchange if the value is due and somebody wanted it since the
// last time. It returns when to come again, if so.
func (s *slot[V]) renew(t *try[V], now time.Time, start func(*slot[V], *try[V], *flight)) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.planned = false
	if s.gone || t.flight != nil || !t.wanted {
		return time.Time{}, false
	}
	// A request may have had it renewed in between.
	if at, again := s.next(t, now.Add(-soon)); again && at.After(now) {
		t.planned = true
		return at, true
	}
	t.wanted = false
	t.flight = &flight{done: make(chan struct{}), retry: t.failures > 0}
	start(s, t, t.flight)
	return time.Time{}, false
}

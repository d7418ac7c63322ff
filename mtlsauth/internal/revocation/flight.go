package revocation

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// flight is an exchange under way.
type flight struct {
	done chan struct{}
	err  error // when done
	// awaited says that requests wait for it; else what was known before
	// serves until it is over.
	awaited bool
	// retry says that it follows a failure closely.
	retry bool
	// held says that it waits for something of ours, a permit or the disk: who
	// has no time left has met a limit of ours, not a responder that is slow.
	held atomic.Bool
}

// outcome is what an exchange brought. There may be a value with an error: one
// that is not good enough, yet tells more than what was known.
type outcome[V any] struct {
	value  V
	got    bool
	same   bool      // the value that was known is confirmed
	agrees bool      // it is another, and says the same for no shorter: what rests on that stands
	known  time.Time // when it was confirmed
	until  time.Time // from when on it cannot be used; zero: as before
	err    error
}

// run carries out an exchange and keeps what came of it. It returns when the
// try is due again, false for not by itself.
func (s *slot[V]) run(t *try[V], f *flight, clock func() time.Time) (next time.Time, again bool) {
	s.mu.Lock()
	exchange, before, has, was := t.question.exchange, s.value, s.has, s.count
	s.mu.Unlock()
	out := guarded(exchange, f, before, has)
	now := clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep(out, before, was)
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
	t.at, t.planned = s.next(t, now)
	return t.at, t.planned
}

// keep keeps what an exchange brought that began with a value before it, the
// one of that count. Another exchange may have replaced the value since, asked in
// another way; then only what is later than that counts.
func (s *slot[V]) keep(out outcome[V], before V, was uint64) {
	if !out.got {
		return
	}
	old, kept := s.value, out.value
	overtaken := s.count != was
	switch {
	case s.gone, overtaken && (out.same || s.later == nil || !s.later(out.value, s.value)):
		// What was known before is not let go once more.
		old, kept = out.value, before
	case !out.same:
		switch {
		case !s.has:
			s.version.Add(1)
		case overtaken || !out.agrees:
			s.changed()
		}
		s.value, s.has = out.value, true
		s.count++
		fallthrough
	default:
		if !out.until.IsZero() {
			s.known, s.until = out.known, out.until
		}
	}
	if s.release != nil && !out.same {
		s.release(old, kept)
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
func guarded[V any](exchange func(*flight, V, bool) outcome[V], f *flight, before V, has bool) (out outcome[V]) {
	defer func() {
		if r := recover(); r != nil {
			out = outcome[V]{err: panicked(r)}
		}
	}()
	return exchange(f, before, has)
}

var errPanic = errors.New("a fault in this program")

func panicked(r any) error { return fmt.Errorf("%w: %v\n%s", errPanic, r, debug.Stack()) }

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
		t.at, t.planned = at, true
		return at, true
	}
	t.wanted = false
	t.flight = &flight{done: make(chan struct{}), retry: t.failures > 0}
	start(s, t, t.flight)
	return time.Time{}, false
}

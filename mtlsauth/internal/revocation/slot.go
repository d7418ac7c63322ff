package revocation

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// slot keeps what one address said last: about a certificate, or as a CRL. It
// has at most one exchange under way for each way of asking.
type slot[V any] struct {
	// version changes when the value says something else, and when nobody keeps
	// it up to date any more.
	version *atomic.Uint64
	// replaced counts, for all slots, the values that were replaced by others that
	// say something else; nil where no one asks.
	replaced *atomic.Uint64
	// release is told that a value is not kept any more, and of the one that
	// still is; nil for who need not know.
	release func(old, kept V)
	// later reports whether a value may take the place of another that was not
	// known when it was asked for; nil: never.
	later func(value, known V) bool

	mu    sync.Mutex
	value V
	has   bool
	count uint64    // of values so far, whatever they say
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
	at       time.Time // when it is planned for
	question question[V]
}

// question is what a slot has to know to ask.
type question[V any] struct {
	asked
	anchor [32]byte      // on whose account the exchange is
	ttl    time.Duration // after it a value is asked for anew
	// patient requests wait for an attempt to mend what failed.
	patient bool
	// current requests wait where a value is past its ttl and nobody has kept
	// it up to date, rather than use it once more.
	current bool
	// exchange asks, as this flight; before is what is known, if anything.
	exchange func(f *flight, before V, has bool) outcome[V]
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
	life := s.until.Sub(s.known.Round(0))
	if early := s.known.Add(max(life*3/4, min(life, soon/4))); early.Before(at) {
		return early
	}
	return at
}

// usable reports a value whose time is not over, by the wall clock or by the
// monotonic clock: one that was set back makes nothing live longer.
func (s *slot[V]) usable(now time.Time) bool {
	return s.has && now.Round(0).Before(s.until) && now.Sub(s.known) < s.until.Sub(s.known.Round(0))
}

// look returns what is known at an instant and the exchange to wait for, if
// any; after that, settle. It starts what exchange is needed.
func (s *slot[V]) look(q question[V], now time.Time, start func(*slot[V], *try[V], *flight)) (reply[V], *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.try(q)
	// What is in use and about to be renewed by itself is not waited for. What
	// is planned for later, by the ttl of another configuration, is.
	kept := t.wanted && t.planned && !t.at.After(now.Add(soon))
	t.wanted = true
	usable := s.usable(now)
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

// amend replaces the value by what is made of it, if anything.
func (s *slot[V]) amend(change func(V) (value V, known, until time.Time, ok bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone || !s.has {
		return
	}
	value, known, until, ok := change(s.value)
	if !ok {
		return
	}
	old := s.value
	s.value, s.known, s.until = value, known, until
	s.count++
	s.changed()
	if s.release != nil {
		s.release(old, value)
	}
}

// changed ends what rests on the value that was known.
func (s *slot[V]) changed() {
	s.version.Add(1)
	if s.replaced != nil {
		s.replaced.Add(1)
	}
}

func (s *slot[V]) reply(err error, until, now time.Time) reply[V] {
	r := reply[V]{value: s.value, has: s.has, usable: s.usable(now), until: until, err: err, mark: markOf(s.version)}
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

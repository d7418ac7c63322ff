package kongdata

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"time"
)

// nobody is the place of a source that there is not.
const nobody = -1

type outcome int

const (
	gone    outcome = iota // every source answered that it has none
	down                   // a source that had to be asked did not answer
	refused                // the first that has one has an unusable one
	known
)

// answer is what the sources say of an id.
type answer struct {
	outcome outcome
	source  int // who answered or is down; nobody if gone
	sum     [sha256.Size]byte
	keep    bool // down: what was known stays in use
	reason  string
	cert    *x509.Certificate
}

// ask asks the sources for one id and keeps the result.
func (s *Store) ask(ctx context.Context, e *entry, w wave) {
	// An entry that is being asked for is changed by nobody else but for its
	// sets and times, and a release, which ends it.
	s.mu.Lock()
	before, cert := e.answer, e.cert
	s.mu.Unlock()

	owner := nobody
	if cert != nil {
		owner = before.source
	}
	got := s.walk(ctx, e, owner, w)
	if got.outcome == known {
		source, text := got.source, got
		if s.sources[source].guard(func() error { got = s.judge(text, before, cert); return nil }) != nil {
			got = answer{outcome: down, source: source, keep: source == owner}
		}
	}
	s.settle(ctx, e, got)
}

// walk asks one source after the other. owner is the place of the source whose
// certificate is in use. An answer that is known comes with its text as the
// reason, to be judged.
func (s *Store) walk(ctx context.Context, e *entry, owner int, w wave) answer {
	for i := range s.sources {
		got := s.askSource(ctx, e, i, w)
		switch {
		case got.outcome == gone:
			continue
		case got.outcome == down && i < owner:
			return s.confirm(ctx, e, owner, w, got)
		case got.outcome == down:
			// Had the owner been a higher source, it would have said by now
			// that it has the id no more.
			got.keep = i == owner
		}
		return got
	}
	return answer{outcome: gone, source: nobody}
}

// confirm asks the source whose certificate is in use while a higher one is
// down: it may still replace or remove what is its own, and nobody below it is
// asked.
func (s *Store) confirm(ctx context.Context, e *entry, owner int, w wave, blocked answer) answer {
	got := s.askSource(ctx, e, owner, w)
	switch got.outcome {
	case gone:
		return blocked
	case down:
		got.keep = true
	}
	return got
}

func (s *Store) askSource(ctx context.Context, e *entry, place int, w wave) answer {
	text, err := s.sources[place].ask(ctx, e.id, w)
	s.note(ctx, e, place, err)
	if err == nil {
		return answer{outcome: known, source: place, reason: text}
	}
	if errors.Is(err, ErrNotFound) {
		return answer{outcome: gone, source: place}
	}
	if refusal, ok := errors.AsType[*RefusedError](err); ok {
		return answer{outcome: refused, source: place, reason: refusal.Reason}
	}
	return answer{outcome: down, source: place}
}

// judge parses an answer's text unless it is the one that was judged before.
func (s *Store) judge(got, before answer, cert *x509.Certificate) answer {
	text := got.reason
	got.reason, got.sum = "", sha256.Sum256([]byte(text))
	if before.sum == got.sum && before.source == got.source {
		switch {
		case before.outcome == refused:
			return before
		case cert != nil:
			got.cert = cert
			return got
		}
	}
	parsed, err := parseCA(text)
	if refusal, ok := errors.AsType[*RefusedError](err); ok {
		got.outcome, got.reason = refused, refusal.Reason
	}
	got.cert = parsed
	return got
}

// settle makes an answer that of the entry.
func (s *Store) settle(ctx context.Context, e *entry, got answer) {
	report := s.record(ctx, e, got, time.Now())
	if report != nil {
		report() // without the lock: writing a log may block
	}
}

// record does settle's work under the lock and returns what is to be logged,
// or nil.
func (s *Store) record(ctx context.Context, e *entry, got answer, now time.Time) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries[e.id] != e {
		return nil // released meanwhile
	}
	var report func()
	// What an end of the program interrupted says nothing about a source.
	if ctx.Err() == nil && !got.keep {
		report = s.take(e, got, now)
	}
	if !e.asked {
		e.asked = true
		for _, shared := range e.sets {
			shared.pending--
			s.markDirty(shared)
		}
	}
	e.asking, e.answered = false, now
	switch {
	case e.again:
		e.again = false
		s.schedule(e, now)
	case e.cert == nil:
		// The exponent is bounded so that the shift can not overflow.
		pause := min(firstRetry<<min(e.misses, 20), s.refresh)
		e.misses++
		s.schedule(e, now.Add(pause))
	default:
		e.misses = 0
		s.schedule(e, e.next)
	}
	return report
}

// take makes an answer what is known of an id. The caller holds the lock.
func (s *Store) take(e *entry, got answer, now time.Time) func() {
	before, had := e.answer, e.cert != nil
	changed := s.setCert(e, got.cert)
	e.answer = got
	e.answer.cert = nil
	if changed {
		for _, shared := range e.sets {
			s.markDirty(shared)
		}
	}
	return s.change(e, before, had, changed, now)
}

func (s *Store) markDirty(shared *sharedSet) {
	if !shared.dirty {
		shared.dirty = true
		s.dirty = append(s.dirty, shared)
		s.signal()
	}
}

// change returns what is to be logged of an answer, or nil: each change is said
// once. That a source is down is said by the source, not for each id. The
// caller holds the lock.
func (s *Store) change(e *entry, before answer, had, changed bool, now time.Time) func() {
	id, got, cert, first := e.id, e.answer, e.cert, !e.asked
	source := ""
	if got.source != nobody {
		source = s.sources[got.source].Name()
	}
	log := s.log
	switch {
	case got.outcome == known && changed:
		return func() {
			log.Info("CA certificate loaded", "ca_certificate", id, "source", source, "replaced", had, "subject", cert.Subject.String())
			if now.After(cert.NotAfter) {
				log.Warn("CA certificate has expired and trusts nobody", "ca_certificate", id, "source", source, "not_after", cert.NotAfter)
			}
		}
	case got.outcome == refused && (before.outcome != refused || before.reason != got.reason || before.source != got.source):
		return func() {
			log.Error("CA certificate refused", "ca_certificate", id, "source", source, "reason", got.reason)
		}
	case got.outcome == gone && (first || before.outcome != gone):
		return func() {
			log.Warn("CA certificate is in no source", "ca_certificate", id, "was_known", had)
		}
	case got.outcome == down && had:
		return func() {
			log.Warn("CA certificate is gone from its source, and another source that may have it does not answer", "ca_certificate", id, "source", source)
		}
	}
	return nil
}

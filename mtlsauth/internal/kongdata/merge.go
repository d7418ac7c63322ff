package kongdata

import (
	"errors"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
)

// none is the place of a source where there is none.
const none = -1

type outcome uint8

const (
	pending outcome = iota // a source that must be asked has not been
	gone                   // every source answered that it has none
	down                   // a source that must be asked cannot answer
	refused                // the first that has one has an unusable one
	known
)

// verdict is what a source says of an id, or what all together do.
type verdict struct {
	outcome outcome
	place   int // of the source that says so; none if all are gone
	Answer
}

// verdict returns what the source says of an id.
func (s *sourceState) verdict(e *entry) verdict {
	answer, listed := s.contents.CACertificates[e.id]
	err := answer.Err
	if !listed {
		err = s.contents.Err
	}
	if s.broken != nil {
		err = s.broken
	}
	v := verdict{place: s.place, Answer: Answer{Err: err}}
	_, isRefused := errors.AsType[*RefusedError](err)
	isGone := errors.Is(err, ErrNotFound) || err == nil && !listed
	switch {
	case s.broken == nil && s.readAt.IsZero():
		v.outcome = pending
	case isRefused:
		v.outcome = refused
	case isGone && (s.readAt.Before(e.created) || s.contents.Asked && !listed):
		v.outcome = pending
	case isGone:
		v.outcome = gone
	case err != nil:
		v.outcome = down
	default:
		v.outcome, v.Certificate = known, answer.Certificate
	}
	return v
}

// needs tells whether a source must be asked for an id: no source before it has
// one, and if one of them cannot say so, the certificate in use is its own.
func (s *Store) needs(e *entry, place int) bool {
	for _, source := range s.sources[:place] {
		switch source.verdict(e).outcome {
		case known, refused:
			return false
		case down, pending:
			if e.owner != place {
				return false
			}
		}
	}
	return true
}

// decide returns what the sources say of an id, and whether what was known of it
// stays in use.
func (s *Store) decide(e *entry) (v verdict, keep bool) {
	for place, source := range s.sources {
		v = source.verdict(e)
		switch {
		case v.outcome == gone:
			continue
		case v.outcome > down || place > e.owner:
			// Had the owner been a higher source, it would have said by now
			// that it has the id no more.
			return v, false
		}
		// While this one cannot answer, the source whose certificate is in use,
		// itself or a lower one, may still replace or remove what is its own, and
		// no other answers.
		switch own := s.sources[e.owner].verdict(e); own.outcome {
		case gone:
			return v, false
		case pending, down:
			return own, true
		default:
			return own, false
		}
	}
	return verdict{outcome: gone, place: none}, false
}

// merge makes what the sources say what is known, and returns what is to be logged,
// which may block. The lock is held.
func (s *Store) merge() (reports []func()) {
	for _, source := range s.sources {
		source.missing = false
	}
	now := time.Now()
	for _, e := range s.entries {
		if report := s.update(e, now); report != nil {
			reports = append(reports, report)
		}
	}
	for _, set := range s.sets {
		set.publish(s.entries)
	}
	s.publishCredentials()
	return reports
}

// update makes what the sources say of an id what is known of it, and returns what is
// to be logged, or nil.
func (s *Store) update(e *entry, now time.Time) (report func()) {
	v, keep := s.decide(e)
	had, first := e.cert != nil, !e.settled
	if v.outcome == pending {
		s.sources[v.place].readNow()
	} else {
		e.settled = true
	}
	// Until a source has been asked, what was known stays.
	if !keep && v.outcome != pending {
		report = s.take(e, v, first, now)
	}
	for place, source := range s.sources {
		if e.cert == nil && s.needs(e, place) {
			source.missing = true
			if e.settled && (had || first) {
				source.retry(s.refresh)
			}
		}
	}
	return report
}

// take makes a verdict what is known of an id, and returns what is to be logged, or
// nil: each change is said once. A certificate that is read again and has not changed
// stays the one in use. That a source cannot answer is said by the source, not for
// each id.
func (s *Store) take(e *entry, v verdict, first bool, now time.Time) func() {
	last, had := e.last, e.cert != nil
	e.last, e.owner = v, none
	changed := v.outcome != known || !had || !e.cert.Equal(v.Certificate)
	if changed {
		e.cert = v.Certificate
	}
	source := ""
	if v.place != none {
		source = s.sources[v.place].Name
	}
	log := s.log.With("ca_certificate", e.id)
	switch {
	case v.outcome == known:
		e.owner = v.place
		cert := e.cert
		if !changed {
			return nil
		}
		return func() {
			log.Info("CA certificate loaded", "source", source, "replaced", had, "subject", certificate.DistinguishedName(cert.RawSubject))
			if now.After(cert.NotAfter) {
				log.Warn("CA certificate has expired and trusts no client", "source", source, "not_after", cert.NotAfter)
			}
		}
	case v.outcome == refused && (last.outcome != refused || last.Err.Error() != v.Err.Error() || last.place != v.place):
		refusal, _ := errors.AsType[*RefusedError](v.Err)
		return func() { log.Error("CA certificate refused", "source", source, "error", refusal.Reason) }
	case v.outcome == gone && (first || last.outcome != gone):
		return func() { log.Warn("CA certificate is in no source", "was_known", had) }
	case v.outcome == down && had:
		return func() {
			log.Warn("CA certificate is gone from its source, and another source that may have it does not answer", "source", source)
		}
	}
	return nil
}

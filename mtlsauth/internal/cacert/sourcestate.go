package cacert

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	// atOnce bounds the questions that are put to one source at the same
	// time, so that a start with thousands of ids does not fill the Admin
	// API's connections. It is counted for each source: one that hangs does
	// not hold up the answers of another. Questions about consumers, which
	// requests wait for, are counted apart from those about CA certificates.
	atOnce = 8

	// questionTimeout ends a question to a source that does not bound itself.
	questionTimeout = 10 * time.Second

	// remindEvery is how often the log repeats that a source is down.
	remindEvery = time.Minute
)

// sourceState is a source with what the store knows about it.
type sourceState struct {
	Source
	log   *slog.Logger
	slots chan struct{}

	consumerSlots chan struct{}
	read          chan struct{} // closed when a Refresher has looked once

	looking chan struct{} // held while the source looks, with the next four
	looked  bool
	wave    uint64
	forced  uint64
	last    time.Time

	mu       sync.Mutex
	failing  map[string]struct{} // ids that got no answer when last asked for
	reminded time.Time

	consumers consumerHealth
}

func newSourceState(source Source, log *slog.Logger) *sourceState {
	s := &sourceState{
		Source:        source,
		log:           log.With("source", source.Name()),
		slots:         make(chan struct{}, atOnce),
		consumerSlots: make(chan struct{}, atOnce),
		read:          make(chan struct{}),
		looking:       make(chan struct{}, 1),
		failing:       make(map[string]struct{}),
	}
	if _, ok := source.(Refresher); !ok {
		close(s.read)
	}
	return s
}

// ask puts one question to the source, after a look that is recent enough.
func (s *sourceState) ask(ctx context.Context, id string, w wave) (string, error) {
	s.freshen(ctx, w)
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	limited, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	text, err := s.CACertificate(limited, id)
	if ctx.Err() == nil {
		s.note(id, err)
	}
	return text, err
}

// freshen has the source look at what it reads from, once for a wave.
func (s *sourceState) freshen(ctx context.Context, w wave) {
	refresher, ok := s.Source.(Refresher)
	if !ok {
		return
	}
	select {
	case s.looking <- struct{}{}:
		defer func() { <-s.looking }()
	case <-ctx.Done():
		return
	}
	force := w.forced > s.forced
	if s.looked && !force && (s.wave >= w.number || time.Since(s.last) < w.maxAge) {
		return
	}
	started := time.Now()
	refresher.Refresh(ctx, force)
	if !s.looked {
		close(s.read)
	}
	s.looked, s.last = true, started
	s.wave, s.forced = max(s.wave, w.number), max(s.forced, w.forced)
}

// note keeps which ids the source did not answer for, and logs when the first
// of them appears, when there are none any more, and a reminder between.
func (s *sourceState) note(id string, err error) {
	if _, ok := errors.AsType[*RefusedError](err); ok || errors.Is(err, ErrNotFound) {
		err = nil
	}
	failing, say := s.count(id, err != nil, time.Now())
	switch {
	case !say:
	case err == nil:
		s.log.Info("source of CA certificates answers again")
	default:
		s.log.Error("source of CA certificates does not answer: what was known stays in use",
			"err", err, "ca_certificate", id, "ids_without_answer", failing)
	}
}

// count returns how many ids have no answer now and whether the log should
// hear of it.
func (s *sourceState) count(id string, failed bool, now time.Time) (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.failing)
	if !failed {
		delete(s.failing, id)
		return len(s.failing), before == 1 && len(s.failing) == 0
	}
	s.failing[id] = struct{}{}
	say := before == 0 || now.Sub(s.reminded) >= remindEvery
	if say {
		s.reminded = now
	}
	return len(s.failing), say
}

// forget drops an id that nobody wants any more.
func (s *sourceState) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.failing, id)
}

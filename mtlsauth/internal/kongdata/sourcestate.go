package kongdata

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
	*panicLog
	log   *slog.Logger
	slots chan struct{}

	consumerSlots chan struct{}
	read          chan struct{} // closed when a Refresher has looked once

	mu       sync.Mutex
	looks    looks
	failing  map[string]struct{} // ids that got no answer when last asked for
	reminded time.Time

	consumers consumerHealth
}

func newSourceState(source Source, log *slog.Logger) *sourceState {
	log = log.With("source", source.Name())
	s := &sourceState{
		Source:        source,
		panicLog:      &panicLog{log: log},
		log:           log,
		slots:         make(chan struct{}, atOnce),
		consumerSlots: make(chan struct{}, atOnce),
		read:          make(chan struct{}),
		failing:       make(map[string]struct{}),
	}
	if _, ok := source.(Refresher); !ok {
		close(s.read)
	}
	return s
}

// ask puts one question to the source, after a look that is recent enough.
func (s *sourceState) ask(ctx context.Context, id string, w wave) (string, error) {
	if err := s.freshen(ctx, w); err != nil {
		return "", err
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	limited, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	var text string
	err := s.guard(func() (err error) {
		text, err = s.CACertificate(limited, id)
		return err
	})
	return text, err
}

// note keeps whether a source answered for an id. An id that was released while
// it was asked for is not counted: nobody would ask for it again, and the source
// would seem down for ever. Neither is one that a higher source has taken over.
func (s *Store) note(ctx context.Context, e *entry, place int, err error) {
	if ctx.Err() != nil {
		return // the end of the program says nothing about a source
	}
	gone := errors.Is(err, ErrNotFound)
	if _, ok := errors.AsType[*RefusedError](err); ok || gone {
		err = nil
	}
	source := s.sources[place]
	s.mu.Lock()
	if s.entries[e.id] != e {
		s.mu.Unlock()
		return
	}
	failing, say := source.count(e.id, err != nil, time.Now())
	if err == nil && !gone {
		for _, lower := range s.sources[place+1:] {
			lower.forget(e.id)
		}
	}
	s.mu.Unlock()
	if say {
		source.report(e.id, err, failing)
	}
}

// report logs when the first id gets no answer, when there is none any more
// that gets none, and a reminder between.
func (s *sourceState) report(id string, err error, failing int) {
	if err == nil {
		s.log.Info("source of CA certificates answers again")
		return
	}
	s.log.Error("source of CA certificates does not answer: what was known stays in use",
		"err", err, "ca_certificate", id, "ids_without_answer", failing)
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

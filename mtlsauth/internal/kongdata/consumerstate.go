package kongdata

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// consumerHealth is how the questions about consumers to one source went.
type consumerHealth struct {
	failing  bool
	said     bool      // the log knows of it
	last     time.Time // when the log last heard of a failure
	failures int       // since then
}

// consumer puts one question about a consumer to the source. These questions
// have places of their own: a round of questions about CA certificates neither
// holds them up nor is held up by them.
func (s *sourceState) consumer(ctx context.Context, by Field, value string) (Consumer, error) {
	source, ok := s.Source.(ConsumerSource)
	if !ok {
		return Consumer{}, ErrNoConsumers
	}
	limited, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	if err := s.awaitReading(limited); err != nil {
		s.noteConsumer(ctx, err)
		return Consumer{}, err
	}
	select {
	case s.consumerSlots <- struct{}{}:
		defer func() { <-s.consumerSlots }()
	case <-limited.Done():
		return Consumer{}, fmt.Errorf("too many questions before this one: %w", limited.Err())
	}
	// A place that is free because all of a request's lookups end is no reason
	// to ask once more.
	if err := ctx.Err(); err != nil {
		return Consumer{}, fmt.Errorf("too many questions before this one: %w", err)
	}
	var c Consumer
	err := s.guard(func() (err error) {
		c, err = source.Consumer(limited, by, value)
		return err
	})
	switch {
	case err == nil:
		c, err = c.verify(by, value)
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrNoConsumers):
		// Whoever is in what could not be looked at is not absent.
		if unread := s.unread(); unread != nil {
			err = unread
		}
	}
	s.noteConsumer(ctx, err)
	return c, err
}

// awaitReading returns when the source has looked for the first time, which Run
// has it do. Whoever waits for that does not look: it can not be ended with the
// request. One that hangs is not waited for.
func (s *sourceState) awaitReading(ctx context.Context) error {
	select {
	case <-s.read:
		return nil
	default:
	}
	if err := s.unread(); err != nil {
		return err
	}
	select {
	case <-s.read:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("it has not been read yet: %w", ctx.Err())
	}
}

// noteConsumer keeps whether the source answers for consumers. The log hears
// when it stops, when it does so again, and a reminder between; of failures at
// most once a minute.
func (s *sourceState) noteConsumer(ctx context.Context, err error) {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return // nothing about the source
	case errors.Is(err, ErrUnanswerable):
		// About this one question, unless the source can not read.
		f, ok := s.Source.(faulty)
		if !ok || f.fault() == nil {
			return
		}
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrNoConsumers):
		err = nil
	}
	if err == nil {
		err = s.unread()
	}
	if f, ok := s.Source.(faulty); ok && err == nil {
		err = f.fault()
	}
	failures, say := s.countConsumer(err != nil, time.Now())
	switch {
	case !say:
	case err == nil:
		s.log.Info("source of consumers answers again")
	default:
		s.log.Error("source of consumers does not answer", "err", err, "failures", failures)
	}
}

// countConsumer returns how many failures the log has not heard of and whether
// it should hear something now.
func (s *sourceState) countConsumer(failed bool, now time.Time) (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &s.consumers
	if !failed {
		say := h.failing && h.said
		h.failing, h.said = false, false
		return 0, say
	}
	h.failing = true
	h.failures++
	if !h.last.IsZero() && now.Sub(h.last) < remindEvery {
		return 0, false
	}
	failures := h.failures
	h.said, h.last, h.failures = true, now, 0
	return failures, true
}

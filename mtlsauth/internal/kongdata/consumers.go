package kongdata

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/uuid"
)

// lookupTimeout ends a lookup by a source that does not bound itself.
const lookupTimeout = 10 * time.Second

var _ consumer.Directory = (*Store)(nil)

// Find implements [consumer.Directory]. Each query is asked of one source after
// the other; the first that has the consumer answers. Nothing is kept. It waits
// for the sources' first reading, no longer than ctx.
//
// It fails closed: absence is what every source of consumers answered, and
// ErrNoConsumers says that there is none. Any other error means that it could not
// be known: a source that is down does not let a lower one answer in its place,
// and an answer about another consumer is an error.
func (s *Store) Find(ctx context.Context, queries []consumer.Query) []consumer.Result {
	results := make([]consumer.Result, len(queries))
	var asking sync.WaitGroup
	for i, q := range queries {
		asking.Go(func() { results[i] = s.find(ctx, q) })
	}
	asking.Wait()
	return results
}

func (s *Store) find(ctx context.Context, q consumer.Query) consumer.Result {
	switch {
	case q.By > consumer.ByCustomID:
		return consumer.Result{Err: fmt.Errorf("%s %d", q.By, q.By)}
	case q.Value == "":
		// It would find a consumer that lacks the attribute, or all of them.
		return consumer.Result{Err: fmt.Errorf("%w: an empty %s", ErrUnanswerable, q.By)}
	case q.By == consumer.ByID:
		id, ok := uuid.Parse(q.Value)
		if !ok {
			return consumer.Result{} // Kong has no entity with such an id
		}
		q.Value = id
	}
	absent := ErrNoConsumers
	for _, source := range s.sources {
		if source.Consumer == nil {
			continue
		}
		c, err := s.lookUp(ctx, source, q)
		switch {
		case err == nil:
			return consumer.Result{Consumer: c}
		case errors.Is(err, ErrNoConsumers):
		case errors.Is(err, ErrNotFound):
			absent = nil
		default:
			return consumer.Result{Err: fmt.Errorf("%s: %w", source.Name, err)}
		}
	}
	return consumer.Result{Err: absent}
}

// lookUp asks one source, once it has been read.
func (s *Store) lookUp(ctx context.Context, source *sourceState, q consumer.Query) (*consumer.Consumer, error) {
	limited, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var c *consumer.Consumer
	err := s.guard(source, func() (err error) {
		select {
		case <-source.first:
		default:
			select {
			case <-source.first:
			case <-limited.Done():
				return fmt.Errorf("it has not been read yet: %w", limited.Err())
			}
		}
		c, err = source.Consumer(limited, q)
		return err
	})
	if err == nil {
		c, err = checked(q, c)
	}
	return c, s.noteLookup(ctx, source, err)
}

// checked returns the consumer as it is handed on, or why it does not answer the
// query. It fails closed.
func checked(q consumer.Query, c *consumer.Consumer) (*consumer.Consumer, error) {
	id, ok := uuid.Parse(c.ID)
	if !ok {
		return nil, errors.New("the answer is a consumer without an id")
	}
	found := *c
	found.ID = id
	return &found, q.Check(&found)
}

// noteLookup keeps whether the source answers for consumers, and returns the
// error that a lookup ends with. The log hears of failures at most once a minute.
func (s *Store) noteLookup(ctx context.Context, source *sourceState, err error) error {
	s.mu.Lock()
	absent := errors.Is(err, ErrNotFound) || errors.Is(err, ErrNoConsumers)
	if absent && source.broken != nil {
		err = source.broken // a consumer in what could not be read is not absent
	}
	fault := err
	if err == nil || absent || errors.Is(err, ErrUnanswerable) {
		fault = cmp.Or(source.broken, source.contents.Err)
	}
	say, failures := false, 0
	switch {
	case errors.Is(ctx.Err(), context.Canceled), fault == nil && errors.Is(err, ErrUnanswerable):
		// This says nothing about the source.
	case source.reading.failing && (source.broken != nil || source.contents.Err != nil):
		// The log knows it already.
	default:
		say, failures = source.lookups.note(fault != nil, time.Now())
	}
	s.mu.Unlock()
	switch {
	case !say:
	case fault == nil:
		source.log.Info("source of consumers answers again")
	default:
		source.log.Error("source of consumers does not answer", "error", fault, "failures", failures)
	}
	return err
}

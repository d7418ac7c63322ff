package kongdata

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

const (
	// firstRetry is the pause before a source is read again while a CA
	// certificate is missing; it doubles up to the refresh period.
	firstRetry = time.Second

	// readTimeout is how long a reading is waited for: files take milliseconds,
	// and an Admin API that takes longer than this for a few questions is down.
	readTimeout = 5 * time.Second
)

var (
	errHangs = fmt.Errorf("reading it is not over after %v", readTimeout)
	errPanic = errors.New("a fault in this program, see the log")
)

// sourceState is a source with what is known of it. But for what never changes,
// all of it belongs to the store's lock.
type sourceState struct {
	Source
	place int
	log   *slog.Logger
	first chan struct{} // closed when it has been read once, or could not be
	wake  chan struct{}

	contents Contents
	broken   error     // the last reading hangs, or ended with a panic
	readAt   time.Time // when the last reading began; zero: none has ended
	allAt    time.Time // the last one with Request.All

	next    time.Time // when it is read again; zero: at once
	force   bool
	missing bool          // it is asked for an id that is missing
	pause   time.Duration // after which it is then read again

	reading, lookups, panics health
}

func newSourceState(place int, source Source, log *slog.Logger) *sourceState {
	return &sourceState{
		Source: source,
		place:  place,
		log:    log.With("source", source.Name),
		first:  make(chan struct{}),
		wake:   make(chan struct{}, 1),
		pause:  firstRetry,

		reading: health{eager: true},
	}
}

// readNow has the source read at once; the lock is held, here and below.
func (s *sourceState) readNow() { s.readAgain(time.Time{}) }

// retry has the source read a second after it was last read, and then after
// growing pauses.
func (s *sourceState) retry(refresh time.Duration) {
	s.pause = min(firstRetry, refresh)
	s.readAgain(s.readAt.Add(s.pause))
}

// readAgain has the source read at a time, if not before.
func (s *sourceState) readAgain(at time.Time) {
	if at.Before(s.next) {
		s.next = at
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run reads the sources until ctx ends, and returns when all that it started has
// ended, except for a reading that hangs: it cannot be ended. It is called once.
func (s *Store) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, source := range s.sources {
		running.Go(func() {
			for s.readOnce(ctx, source) && s.sleep(ctx, source) {
			}
		})
	}
	running.Wait()
}

// sleep returns when the source must be read again, and false when ctx ends.
func (s *Store) sleep(ctx context.Context, source *sourceState) bool {
	for {
		s.mu.Lock()
		left := time.Until(source.next)
		s.mu.Unlock()
		if left <= 0 {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-source.wake:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return false
		}
	}
}

// readOnce reads the source and makes what it has known. A reading that hangs
// goes on by itself, no other is started beside it, and until it is over the
// source is down. It returns false when ctx ends.
func (s *Store) readOnce(ctx context.Context, source *sourceState) bool {
	r, began := s.request(source)
	read := make(chan func(), 1)
	go func() {
		var contents Contents
		err := s.guard(source, func() error {
			contents = source.Read(ctx, r)
			return nil
		})
		read <- func() { s.finish(source, r, began, contents, err) }
	}()
	timer := time.NewTimer(readTimeout)
	defer timer.Stop()
	for {
		// An end of the program in the middle says nothing about a source.
		select {
		case finish := <-read:
			if ctx.Err() != nil {
				return false
			}
			finish()
			return true
		case <-timer.C:
			s.finish(source, r, began, Contents{}, errHangs)
		case <-ctx.Done():
			return false
		}
	}
}

// request returns what the source is to be read for now.
func (s *Store) request(source *sourceState) (Request, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	r := Request{Force: source.force || errors.Is(source.broken, errPanic), All: source.force || now.Sub(source.allAt) >= s.refresh}
	source.next, source.force = now.Add(s.refresh), false
	for _, e := range s.entries {
		if s.needs(e, source.place) {
			r.IDs = append(r.IDs, e.id)
		}
	}
	slices.Sort(r.IDs)
	return r, now
}

// finish makes a reading what is known, or why it brought nothing.
func (s *Store) finish(source *sourceState, r Request, began time.Time, contents Contents, err error) {
	s.mu.Lock()
	fault := err
	if err == nil {
		source.contents, fault = contents, contents.Fault
		if r.All {
			source.allAt = began
		}
	}
	source.broken = err
	if !errors.Is(err, errHangs) {
		source.readAt = began
	}
	reports := s.merge()
	if source.missing {
		source.readAgain(began.Add(source.pause))
		source.pause = min(2*source.pause, s.refresh)
	}
	select {
	case <-source.first:
	default:
		close(source.first)
	}
	without := 0 // how many CA certificates have no answer
	for _, e := range s.entries {
		if v := source.verdict(e); v.outcome == down && s.needs(e, source.place) {
			without++
			fault = v.Err
		}
	}
	say, _ := source.reading.note(fault != nil, time.Now())
	s.mu.Unlock()
	switch {
	case !say:
	case fault == nil:
		source.log.Info("source can be read again")
	default:
		source.log.Error("source cannot be read: what was known stays in use", "error", fault, "ca_certificates", without)
	}
	for _, report := range reports {
		report()
	}
}

// guard calls a source and makes a panic an error: in a goroutine of this package
// it would end the process, and Kong's requests with it.
func (s *Store) guard(source *sourceState, call func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errPanic
			stack := string(debug.Stack())
			s.mu.Lock()
			say, panics := source.panics.note(true, time.Now())
			s.mu.Unlock()
			if say {
				source.log.Error("panic while a source was asked", "error", fmt.Sprint(r), "panics", panics, "stack", stack)
			}
		}
	}()
	return call()
}

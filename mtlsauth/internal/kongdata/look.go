package kongdata

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// lookTimeout is how long a look at a source is waited for: reading files takes
// milliseconds, and one that takes longer than this reads from what hangs.
const lookTimeout = 5 * time.Second

var errLookHangs = fmt.Errorf("looking at it is not over after %v", lookTimeout)

// looks is what is known of a source's looks. All of it belongs to the lock of
// the source's state.
type looks struct {
	under  *look // the one under way, or nil
	looked bool
	wave   uint64
	forced uint64
	last   time.Time
	broken error // the last one ended with a panic
}

// look is one look at what a source reads from.
type look struct {
	done    chan struct{}
	started time.Time
}

// freshen has the source look at what it reads from, once for a wave, and
// returns why that can not be had. A look can not be ended: one that hangs goes
// on by itself, no other is started beside it, and the source is down.
func (s *sourceState) freshen(ctx context.Context, w wave) error {
	refresher, ok := s.Source.(Refresher)
	if !ok {
		return nil
	}
	for {
		under, err := s.begin(ctx, refresher, w)
		if under == nil {
			return err
		}
		left := time.Until(under.started.Add(lookTimeout))
		if left <= 0 {
			return errLookHangs
		}
		timer := time.NewTimer(left)
		select {
		case <-under.done: // it may have been for an earlier wave
			timer.Stop()
		case <-timer.C:
			return errLookHangs
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// begin returns the look that is under way, which it starts if there is none,
// or nil and how the last one went if that is recent enough.
func (s *sourceState) begin(ctx context.Context, refresher Refresher, w wave) (*look, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.looks
	if l.under != nil {
		return l.under, nil
	}
	force := w.forced > l.forced
	if l.looked && !force && (l.wave >= w.number || time.Since(l.last) < w.maxAge) {
		return nil, l.broken
	}
	if ctx.Err() != nil {
		return nil, ctx.Err() // the end of the program needs no look
	}
	l.under = &look{done: make(chan struct{}), started: time.Now()}
	// After a panic nobody knows what had been read.
	go s.look(ctx, refresher, l.under, w, force || l.broken != nil)
	return l.under, nil
}

func (s *sourceState) look(ctx context.Context, refresher Refresher, this *look, w wave, force bool) {
	err := s.guard(func() error {
		refresher.Refresh(ctx, force)
		return nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.looks
	if !l.looked {
		close(s.read)
	}
	l.under, l.looked, l.last, l.broken = nil, true, this.started, err
	l.wave, l.forced = max(l.wave, w.number), max(l.forced, w.forced)
	close(this.done)
}

// unread returns why the source may not know what it should: its last look does
// not end, or ended with a panic.
func (s *sourceState) unread() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if under := s.looks.under; under != nil && time.Since(under.started) >= lookTimeout {
		return errLookHangs
	}
	return s.looks.broken
}

// errPanic is what a source is down with after a panic.
var errPanic = errors.New("a fault in this program, see the log")

package kongdata

import (
	"context"
	"hash/fnv"
	"io"
	"sync"
	"time"
)

const (
	// firstRetry is the pause before a missing id is asked for again; it
	// doubles from question to question up to the refresh period.
	firstRetry = time.Second

	// spreadSlots is how many groups the refreshes of all ids fall into, so
	// that thousands of them do not come in one burst.
	spreadSlots = 8
)

// wave is one occasion on which ids are asked for: those that are due together
// share one look at each source.
type wave struct {
	number uint64
	forced uint64        // the last wave up to here that reads everything again
	maxAge time.Duration // how long ago a source may have looked
}

// Run asks the sources until ctx ends, and returns when all that it started
// has ended, except for a look at a source: reading a file can not be ended, and
// may hang. It is called once.
func (s *Store) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer s.closeSources()
	defer running.Wait()

	var w wave
	timer := time.NewTimer(0)
	defer timer.Stop()
	first := true // a first look at the sources, before anybody asks
	for {
		s.publish()
		now := time.Now()
		number := w.number
		due, sleep := s.takeDue(now, &w)
		all := first || w.forced == w.number && w.number > 0 && due != nil
		first = false
		for _, source := range s.sources {
			// A source of consumers is looked at in every wave, since it may
			// never be asked for a CA certificate that a higher one has.
			_, consumers := source.Source.(ConsumerSource)
			if look := w; all || consumers && w.number != number {
				running.Go(func() { source.freshen(ctx, look) })
			}
		}
		for _, e := range due {
			look := w
			running.Go(func() { s.ask(ctx, e, look) })
		}
		timer.Reset(sleep)
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// takeDue returns the entries that are due, marked as being
// asked for (not nil after a Reload), and how long nothing is due afterwards.
// It makes w the wave of these questions.
func (s *Store) takeDue(now time.Time, w *wave) ([]*entry, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reload := s.reload
	s.reload = false
	if !reload && now.Before(s.nextDue) {
		return nil, s.nextDue.Sub(now)
	}
	var due []*entry
	if reload {
		due = make([]*entry, 0, len(s.entries))
	}
	w.number++
	w.maxAge = s.refresh / 4
	if reload {
		w.forced, w.maxAge = w.number, 0
	}
	s.nextDue = now.Add(s.refresh)
	for _, e := range s.entries {
		switch {
		case e.asking:
			e.again = e.again || reload
			continue
		case reload || !e.next.After(now):
			if e.cert == nil {
				w.maxAge = 0
			}
			e.asking = true
			e.next = now.Add(s.refresh - s.spread(e.id))
			due = append(due, e)
		}
		if e.next.Before(s.nextDue) {
			s.nextDue = e.next
		}
	}
	return due, s.nextDue.Sub(now)
}

// spread returns how much earlier than the refresh period an id is asked for
// again: less than half of it, and always the same.
func (s *Store) spread(id string) time.Duration {
	h := fnv.New32a()
	io.WriteString(h, id)
	return s.refresh / (2 * spreadSlots) * time.Duration(h.Sum32()%spreadSlots)
}

// schedule has an entry asked for at a time, or as soon as the question under
// way is answered. The caller holds the lock.
func (s *Store) schedule(e *entry, at time.Time) {
	e.next = at
	if at.Before(s.nextDue) || s.nextDue.IsZero() {
		s.nextDue = at
		s.signal()
	}
}

// signal has Run look at once; it never blocks.
func (s *Store) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// publish makes visible what was learned since the last time.
func (s *Store) publish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, shared := range s.dirty {
		shared.publish()
	}
	s.dirty = s.dirty[:0]
}

func (s *Store) closeSources() {
	for _, source := range s.sources {
		closeSource(source.Source)
	}
}

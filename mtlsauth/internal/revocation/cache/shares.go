package cache

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
)

// Anchor is a trust anchor, by its digest. The zero Anchor is the operator's own:
// it has no share.
type Anchor [sha256.Size]byte

// ErrLimit is a limit of our own: nothing that is known of a value. It never lets
// a request in, in any mode.
var ErrLimit = errors.New("limit reached")

// Shares are so many places or bytes. No trust anchor takes more than half of what
// the others leave, so that there is always something left for another.
type Shares struct {
	what string
	most int64

	mu       sync.Mutex
	used     int64
	byAnchor map[Anchor]int64
}

// NewShares returns so many of something, which errors name.
func NewShares(what string, most int64) *Shares {
	return &Shares{what: what, most: most, byAnchor: make(map[Anchor]int64)}
}

// Take takes n for a trust anchor, or none, with ErrLimit.
func (s *Shares) Take(anchor Anchor, n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.free(anchor, n) {
		return fmt.Errorf("%w: %s, at most %d, half of what other trust anchors leave", ErrLimit, s.what, s.most)
	}
	s.add(anchor, n)
	return nil
}

// Give gives back what was taken, or takes what is taken in any case.
func (s *Shares) Give(anchor Anchor, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(anchor, -n)
}

// Fits reports whether n more would be free for an anchor if no other had any.
func (s *Shares) Fits(anchor Anchor, n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byAnchor[anchor]+n <= (s.most+1)/2
}

func (s *Shares) free(anchor Anchor, n int64) bool {
	if s.used+n > s.most {
		return false
	}
	own := s.byAnchor[anchor]
	// The first place is for any anchor that finds one.
	return anchor == Anchor{} || own == 0 && n == 1 || own+n <= (s.most-(s.used-own)+1)/2
}

func (s *Shares) add(anchor Anchor, n int64) {
	s.used += n
	if s.byAnchor[anchor] += n; s.byAnchor[anchor] == 0 {
		delete(s.byAnchor, anchor)
	}
}

// Used returns how many are taken.
func (s *Shares) Used() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}

// turns hands out places to run, in turn among the trust anchors that wait for one.
// Renewals come after all others of their anchor.
type turns struct {
	*Shares
	waiting []*turn // in order of their coming
}

type turn struct {
	anchor  Anchor
	renewal bool
	given   chan struct{}
}

// try takes a place if there is one and no other waits for it.
func (t *turns) try(anchor Anchor) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken(anchor)
}

func (t *turns) taken(anchor Anchor) bool {
	ok := t.free(anchor, 1) && !t.queues(anchor)
	if ok {
		t.add(anchor, 1)
	}
	return ok
}

// take waits for a place until ctx ends.
func (t *turns) take(ctx context.Context, anchor Anchor, renewal bool) error {
	t.mu.Lock()
	if t.taken(anchor) {
		t.mu.Unlock()
		return nil
	}
	own := &turn{anchor, renewal, make(chan struct{})}
	t.waiting = append(t.waiting, own)
	t.mu.Unlock()
	select {
	case <-own.given:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-own.given:
		return nil
	default:
	}
	t.drop(own)
	return fmt.Errorf("%w: %s, at most %d, half of what other trust anchors leave", ErrLimit, t.what, t.most)
}

func (t *turns) queues(anchor Anchor) bool {
	for _, w := range t.waiting {
		if w.anchor == anchor {
			return true
		}
	}
	return false
}

func (t *turns) drop(own *turn) {
	for i, w := range t.waiting {
		if w == own {
			t.waiting = append(t.waiting[:i], t.waiting[i+1:]...)
			return
		}
	}
}

// give gives a place back, and to the next: of the anchor that runs fewest.
func (t *turns) give(anchor Anchor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(anchor, -1)
	for {
		var next *turn
		for _, w := range t.waiting {
			if !t.free(w.anchor, 1) {
				continue
			}
			if next == nil || t.byAnchor[w.anchor] < t.byAnchor[next.anchor] || w.anchor == next.anchor && next.renewal && !w.renewal {
				next = w
			}
		}
		if next == nil {
			return
		}
		t.drop(next)
		t.add(next.anchor, 1)
		close(next.given)
	}
}

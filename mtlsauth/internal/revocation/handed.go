package revocation

import (
	"sync"
	"sync/atomic"
	"time"
)

// Handed remembers what results rest on that were handed to somebody who keeps
// them and can not look whether their basis still stands: it is looked here, for
// all of them, and he is told. It is safe for concurrent use.
type Handed struct {
	mu    sync.Mutex
	marks map[*atomic.Uint64]handedMark
}

type handedMark struct {
	was   uint64
	until time.Time
}

// maxHanded bounds what is remembered, in marks of some 50 bytes: a client has
// one of its own and some that it shares with others.
const maxHanded = 200_000

// NewHanded returns one that remembers nothing.
func NewHanded() *Handed { return &Handed{marks: make(map[*atomic.Uint64]handedMark)} }

// Add remembers a basis until an instant. It returns false where there is no room:
// nobody would be told when it changes, so that it is not to be kept.
func (h *Handed) Add(b Basis, until time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.marks)+len(b) > maxHanded {
		return false
	}
	for _, m := range b {
		known, ok := h.marks[m.version]
		switch {
		case !ok:
			h.marks[m.version] = handedMark{m.was, until}
		case known.was != m.was:
			// One of the two is of what has been replaced. Changed is to see it,
			// whichever it is, so the older one stays, and longer.
			known.was = min(known.was, m.was)
			fallthrough
		case known.until.Before(until):
			known.until = until
			h.marks[m.version] = known
		}
	}
	return true
}

// Changed reports that something was replaced that results rest on which may
// still be kept. They are all forgotten then: it is for the caller to have them
// dropped.
func (h *Handed) Changed(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	changed := false
	for version, m := range h.marks {
		switch {
		case now.After(m.until):
			delete(h.marks, version)
		case version.Load() != m.was:
			changed = true
		}
	}
	if changed {
		clear(h.marks)
	}
	return changed
}

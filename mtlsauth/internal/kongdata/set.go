package kongdata

import (
	"context"
	"crypto/x509"
	"slices"
	"sync/atomic"
	"time"
)

// firstRoundWait is how long requests wait, together, for the first round of
// questions about their ids: longer than a busy Admin API takes, far shorter
// than the minute after which Kong gives up.
const firstRoundWait = 3 * time.Second

// CA is one CA certificate of a set. The certificate is shared: it is the same
// pointer for the same bytes wherever it appears, and nobody may change it.
type CA struct {
	ID          string
	Certificate *x509.Certificate
}

// Snapshot is what was known of a set of ids at some moment. It never changes,
// and neither may its slices.
type Snapshot struct {
	// CAs are the certificates that are known, by id.
	CAs []CA

	// Missing are the ids of which no usable certificate is known, sorted:
	// gone, refused, or not to be had.
	Missing []string
}

func (s *Snapshot) equal(other *Snapshot) bool {
	return slices.Equal(s.CAs, other.CAs) && slices.Equal(s.Missing, other.Missing)
}

// Set is the CA certificates that one configuration names. It is safe for
// concurrent use.
type Set struct {
	shared   *sharedSet
	store    *Store
	released atomic.Bool
}

// sharedSet is what all sets of equal ids have in common. Everything but
// current and done belongs to the store's lock.
type sharedSet struct {
	current  atomic.Pointer[Snapshot]
	done     chan struct{} // closed after the first round
	deadline time.Time     // when waiting for the first round ends

	key      string
	ids      []string // sorted
	entries  []*entry // sorted by id
	refs     int
	pending  int // entries that have not been asked for yet
	finished bool
	dirty    bool
}

// Snapshot returns what is known now, in one atomic load. The pointer is
// another one exactly when a certificate or a missing id is another.
func (set *Set) Snapshot() *Snapshot {
	return set.shared.current.Load()
}

// IDs returns the ids, sorted, in lower case, each once. The slice is shared by
// all sets of equal ids, and nobody may change it.
func (set *Set) IDs() []string { return set.shared.ids }

// Wait returns what is known once the first round of questions about the ids
// is over, or after 3 s counted from [Store.Want], or when ctx ends. All
// waiters of a set wait for the same moment; when it has passed, Wait costs no
// more than Snapshot. It fails closed: what is not known by then is missing.
func (set *Set) Wait(ctx context.Context) *Snapshot {
	shared := set.shared
	select {
	case <-shared.done:
		return shared.current.Load()
	default:
	}
	left := time.Until(shared.deadline)
	if left <= 0 {
		return shared.current.Load()
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-shared.done:
	case <-timer.C:
	case <-ctx.Done():
	}
	return shared.current.Load()
}

// Release says that the configuration is gone. Ids that no other set names are
// no longer asked for, and the set's snapshot is not kept up to date any more.
// A second call does nothing.
func (set *Set) Release() {
	if set.released.Swap(true) {
		return
	}
	set.store.release(set.shared)
}

// snapshot builds what the entries hold now.
func (shared *sharedSet) snapshot() *Snapshot {
	s := new(Snapshot)
	for _, e := range shared.entries {
		if e.cert == nil {
			s.Missing = append(s.Missing, e.id)
		} else {
			s.CAs = append(s.CAs, CA{ID: e.id, Certificate: e.cert})
		}
	}
	return s
}

// publish makes the entries' state what readers see, and ends the wait for the
// first round when it is over.
func (shared *sharedSet) publish() {
	shared.dirty = false
	if next := shared.snapshot(); !next.equal(shared.current.Load()) {
		shared.current.Store(next)
	}
	if shared.pending == 0 && !shared.finished {
		shared.finished = true
		close(shared.done)
	}
}

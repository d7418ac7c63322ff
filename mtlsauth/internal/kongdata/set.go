package kongdata

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
)

// firstRoundWait is how long requests wait, together, until all sources have been
// asked for their ids: longer than a busy Admin API takes, far shorter than the
// minute after which Kong gives up.
const firstRoundWait = 3 * time.Second

// CA is one CA certificate of a set. The certificate is shared and must not be
// changed.
type CA struct {
	ID          string
	Certificate *certificate.Certificate
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

// Set is the CA certificates that configurations name, the same one for all that
// name the same. It is safe for concurrent use.
type Set struct {
	store    *Store
	key      string
	ids      []string // sorted
	current  atomic.Pointer[Snapshot]
	deadline time.Time     // when waiting for the sources ends
	settled  chan struct{} // closed when all of them have been asked

	// What follows belongs to the store's lock.
	users int
	done  bool // settled is closed
}

// newSet returns a set that all of its ids are missing from.
func newSet(s *Store, key string, ids []string) *Set {
	set := &Set{store: s, key: key, ids: ids, users: 1, deadline: time.Now().Add(firstRoundWait), settled: make(chan struct{})}
	set.current.Store(&Snapshot{Missing: ids})
	return set
}

// IDs returns the ids, sorted, in lower case, each once. The slice must not be
// changed.
func (set *Set) IDs() []string { return set.ids }

// Snapshot returns what is known now. It is one atomic load; the pointer changes
// when anything does.
func (set *Set) Snapshot() *Snapshot { return set.current.Load() }

// Wait returns what is known once all sources have been asked for the ids. That
// takes at most until three seconds after the first configuration named them, or
// until ctx ends; what is not known by then is missing.
func (set *Set) Wait(ctx context.Context) *Snapshot {
	select {
	case <-set.settled:
		return set.Snapshot()
	default:
	}
	left := time.Until(set.deadline)
	if left <= 0 {
		return set.Snapshot()
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-set.settled:
	case <-timer.C:
	case <-ctx.Done():
	}
	return set.Snapshot()
}

// Release says that a configuration is gone. With the last one the set is no
// longer kept up to date.
func (set *Set) Release() { set.store.release(set) }

// publish makes visible what the entries hold. The store's lock is held.
func (set *Set) publish(entries map[string]*entry) {
	next, settled := new(Snapshot), true
	for _, id := range set.ids {
		e := entries[id]
		settled = settled && e.settled
		if e.cert == nil {
			next.Missing = append(next.Missing, id)
		} else {
			next.CAs = append(next.CAs, CA{ID: id, Certificate: e.cert})
		}
	}
	if !next.equal(set.current.Load()) {
		set.current.Store(next)
	}
	if settled && !set.done {
		set.done = true
		close(set.settled)
	}
}

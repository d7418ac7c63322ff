package kongdata

import (
	"crypto/sha256"
	"crypto/x509"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// defaultRefresh is the refresh period when Options names none.
const defaultRefresh = 10 * time.Second

// Options say where CA certificates come from.
type Options struct {
	// Sources, the one that is asked first in front.
	Sources []Source

	// Refresh is the time within which a known id is asked for again, and the
	// longest pause between two questions about a missing one. Zero is 10 s.
	Refresh time.Duration

	// Log gets changes and faults; nil is slog.Default().
	Log *slog.Logger
}

// Store keeps the CA certificates of all configurations up to date while
// [Store.Run] runs. It is safe for concurrent use.
type Store struct {
	sources []*sourceState
	refresh time.Duration
	log     *slog.Logger
	wake    chan struct{}

	mu      sync.Mutex
	entries map[string]*entry
	sets    map[string]*sharedSet
	dirty   []*sharedSet
	certs   map[[sha256.Size]byte]*sharedCert
	nextDue time.Time // earliest entry.next; zero: look now
	reload  bool
}

// entry is one id that is wanted. All of it belongs to the store's lock.
type entry struct {
	id   string
	sets []*sharedSet

	asked  bool // a first round is over
	asking bool
	again  bool // ask anew when the question under way is answered
	next   time.Time
	misses int // questions in a row that left the id missing

	answered time.Time // when the last question was

	answer answer
	cert   *x509.Certificate // nil: missing
	sum    [sha256.Size]byte // of cert
}

// sharedCert is a parsed certificate and how many entries hold it.
type sharedCert struct {
	cert *x509.Certificate
	refs int
}

// NewStore returns a store that knows nothing yet. It does no I/O.
func NewStore(o Options) *Store {
	s := &Store{
		refresh: o.Refresh,
		log:     o.Log,
		wake:    make(chan struct{}, 1),
		entries: make(map[string]*entry),
		sets:    make(map[string]*sharedSet),
		certs:   make(map[[sha256.Size]byte]*sharedCert),
	}
	if s.refresh <= 0 {
		s.refresh = defaultRefresh
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	for _, source := range o.Sources {
		s.sources = append(s.sources, newSourceState(source, s.log))
	}
	return s
}

// Want returns the set of these ids, compared in lower case, and has those
// asked for at once that are not known. It does not wait and does no I/O.
// [Set.Release] gives the set back.
func (s *Store) Want(ids []string) *Set {
	ids = normalize(ids)
	key := strings.Join(ids, "\x00")

	s.mu.Lock()
	defer s.mu.Unlock()
	shared := s.sets[key]
	if shared == nil {
		shared = s.newShared(key, ids)
	}
	shared.refs++
	for _, e := range shared.entries {
		if e.asked && e.cert == nil {
			// A new configuration is a reason to believe that the id exists
			// by now. Instances start in bursts, one in each of Kong's
			// workers: the pause after the last question stays a second.
			e.misses = 0
			if soon := e.answered.Add(firstRetry); !e.asking && soon.Before(e.next) {
				s.schedule(e, soon)
			}
		}
	}
	return &Set{shared: shared, store: s}
}

// Reload has all sources read and all ids asked for at once. It does not wait.
func (s *Store) Reload() {
	s.mu.Lock()
	s.reload = true
	s.mu.Unlock()
	s.signal()
}

func normalize(ids []string) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = strings.ToLower(id)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// newShared makes a set and the entries that it needs. The caller holds the
// lock.
func (s *Store) newShared(key string, ids []string) *sharedSet {
	now := time.Now()
	shared := &sharedSet{key: key, ids: ids, done: make(chan struct{}), deadline: now.Add(firstRoundWait)}
	for _, id := range ids {
		e := s.entries[id]
		if e == nil {
			e = &entry{id: id, answer: answer{source: nobody}}
			s.entries[id] = e
			s.schedule(e, now)
		}
		e.sets = append(e.sets, shared)
		shared.entries = append(shared.entries, e)
		if !e.asked {
			shared.pending++
		}
	}
	shared.current.Store(shared.snapshot())
	shared.publish()
	s.sets[key] = shared
	return shared
}

// release drops one use of a set and, with its last, the ids that no other set
// names.
func (s *Store) release(shared *sharedSet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shared.refs--
	if shared.refs > 0 {
		return
	}
	delete(s.sets, shared.key)
	for _, e := range shared.entries {
		e.sets = slices.DeleteFunc(e.sets, func(other *sharedSet) bool { return other == shared })
		if len(e.sets) > 0 {
			continue
		}
		s.setCert(e, nil)
		delete(s.entries, e.id)
		for _, source := range s.sources {
			source.forget(e.id)
		}
	}
}

// setCert makes cert, which may be nil, that of the entry, and returns whether
// it is another one. Equal certificates become one. The caller holds the lock.
func (s *Store) setCert(e *entry, cert *x509.Certificate) bool {
	var sum [sha256.Size]byte
	if cert != nil {
		sum = sha256.Sum256(cert.Raw)
	}
	if (cert == nil) == (e.cert == nil) && sum == e.sum {
		return false
	}
	if cert != nil {
		if s.certs[sum] == nil {
			s.certs[sum] = &sharedCert{cert: cert}
		}
		s.certs[sum].refs++
		cert = s.certs[sum].cert
	}
	if old := s.certs[e.sum]; e.cert != nil && old != nil {
		if old.refs--; old.refs == 0 {
			delete(s.certs, e.sum)
		}
	}
	e.cert, e.sum = cert, sum
	return true
}

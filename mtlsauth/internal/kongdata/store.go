package kongdata

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/consumer"
)

const (
	// defaultRefresh is the refresh period when Options names none.
	defaultRefresh = 10 * time.Second

	// firstCredentialsWait is how long requests wait, together, for the first
	// reading of the files with credentials: longer than that of the largest
	// takes, far shorter than the minute after which Kong gives up.
	firstCredentialsWait = 5 * time.Second
)

// Options say where CA certificates and consumers come from.
type Options struct {
	// Sources, in order of their rank.
	Sources []Source

	// Refresh is the time after which a source is read again, and the longest
	// pause between two readings while a CA certificate is missing. Zero is
	// 10 s.
	Refresh time.Duration

	// Log gets changes and faults; nil is slog.Default().
	Log *slog.Logger
}

// Store keeps the CA certificates of all configurations up to date while
// [Store.Run] runs, and finds consumers. It is safe for concurrent use.
type Store struct {
	sources []*sourceState
	refresh time.Duration
	log     *slog.Logger

	credentials atomic.Pointer[[]*consumer.Credentials]
	begun       time.Time

	mu      sync.Mutex
	entries map[string]*entry // of the ids that sets name
	sets    map[string]*Set
}

// entry is an id that is wanted. All of it belongs to the store's lock.
type entry struct {
	id      string
	created time.Time
	sets    int  // how many name it
	settled bool // every source that had to be asked has been

	cert  *certificate.Certificate // nil: missing
	owner int                      // place of the source that cert is from; none
	last  verdict                  // for the log
}

// NewStore returns a store that knows nothing yet. It does no I/O.
func NewStore(o Options) *Store {
	s := &Store{
		refresh: o.Refresh,
		log:     o.Log,
		begun:   time.Now(),
		entries: make(map[string]*entry),
		sets:    make(map[string]*Set),
	}
	if s.refresh <= 0 {
		s.refresh = defaultRefresh
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	for place, source := range o.Sources {
		s.sources = append(s.sources, newSourceState(place, source, s.log))
	}
	s.publishCredentials()
	return s
}

// Want returns the set of these ids, compared in lower case, and has those asked
// for at once that are not known. It does not wait and does no I/O. Each set must
// be given back once by [Set.Release].
func (s *Store) Want(ids []string) *Set {
	set, reports := s.want(normalize(ids))
	for _, report := range reports {
		report()
	}
	return set
}

func (s *Store) want(ids []string) (set *Set, reports []func()) {
	key := strings.Join(ids, "\x00")
	s.mu.Lock()
	defer s.mu.Unlock()
	if set = s.sets[key]; set != nil {
		set.users++
		s.hurry(set)
		return set, nil
	}
	set = newSet(s, key, ids)
	s.hurry(set)
	s.sets[key] = set
	now := time.Now()
	for _, id := range ids {
		e := s.entries[id]
		if e == nil {
			e = &entry{id: id, created: now, owner: none}
			s.entries[id] = e
			if report := s.update(e, now); report != nil {
				reports = append(reports, report)
			}
		}
		e.sets++
	}
	set.publish(s.entries)
	return set, reports
}

// hurry has the missing ids of a set asked for again: that a new configuration
// names them is a reason to believe that they exist by now. Instances start in
// bursts, one in each of Kong's workers: the pause after the last reading stays a
// second. The lock is held.
func (s *Store) hurry(set *Set) {
	for _, id := range set.ids {
		if e := s.entries[id]; e != nil && e.settled && e.cert == nil {
			for place, source := range s.sources {
				if s.needs(e, place) {
					source.retry(s.refresh)
				}
			}
		}
	}
}

// release drops one use of a set and, with its last, the ids that no other set
// names.
func (s *Store) release(set *Set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set.users--
	if set.users > 0 {
		return
	}
	delete(s.sets, set.key)
	for _, id := range set.ids {
		e := s.entries[id]
		if e.sets--; e.sets == 0 {
			delete(s.entries, id)
		}
	}
}

// Reload has all sources read at once, whatever seems unchanged. It does not
// wait.
func (s *Store) Reload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, source := range s.sources {
		source.force = true
		source.readNow()
	}
}

// Credentials returns those of the sources that have any, in order of their rank;
// nil stands for a source of which no version could be read yet. The slice must
// not be changed.
func (s *Store) Credentials() []*consumer.Credentials { return *s.credentials.Load() }

// AwaitCredentials returns when every source with credentials has been read once,
// or when that takes too long: then it is not known whom it would have mapped, and
// lookups fail.
func (s *Store) AwaitCredentials() {
	for _, source := range s.sources {
		if !source.HasCredentials {
			continue
		}
		select {
		case <-source.first:
			continue
		default:
		}
		timer := time.NewTimer(time.Until(s.begun.Add(firstCredentialsWait))) // at once when that is past
		select {
		case <-source.first:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// publishCredentials makes visible what the sources hold.
func (s *Store) publishCredentials() {
	var next []*consumer.Credentials
	for _, source := range s.sources {
		if source.HasCredentials {
			next = append(next, source.contents.Credentials)
		}
	}
	if old := s.credentials.Load(); old == nil || !slices.Equal(*old, next) {
		s.credentials.Store(&next)
	}
}

func normalize(ids []string) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = strings.ToLower(id)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

package consumer

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/lru"
)

// How many queries are asked at once: the first one alone, since most
// certificates are matched by it, the following ones in batches, so that for a
// certificate with MaxNames names absence is known after 17 of them.
const (
	firstBatch = 1
	nextBatch  = 8
)

// Limits of the cache: a hundred thousand consumers that are in use, and some
// thousands of names without a consumer, which any holder of a trusted
// certificate can bring about. An entry takes about half a KiB.
const (
	maxFound, maxFoundBytes   = 100_000, 64 << 20
	maxAbsent, maxAbsentBytes = 16_384, 8 << 20
)

// Ask is how a request looks up consumers.
type Ask struct {
	Directory Directory // asked within Match and Resolve, for this request alone
	Now       time.Time
	// MaxAge is how old an answer may be, absence included (cache_ttl). With
	// zero or less nothing is taken from the cache and nothing kept.
	MaxAge time.Duration
}

// Lookups is a cache in front of directories, which must be ways to the same
// consumers. Answers are kept, absence too; failures never. It is safe for use
// by many requests at once. A nil *Lookups caches nothing; asks of it must have no MaxAge.
type Lookups struct {
	within     int64         // bytes, for the cache
	generation atomic.Uint64 // counts Forget

	mu sync.Mutex
	// Apart, so that no number of absent names pushes out a consumer.
	found, absent *lru.Cache[Query, answer]
}

// answer is what a directory said, and when it was asked.
type answer struct {
	Result
	fetched time.Time
	known   bool
}

// NewLookups returns an empty cache of at most so many bytes, a ninth of them
// for absence.
func NewLookups(bytes int64) *Lookups {
	l := &Lookups{within: min(bytes, maxFoundBytes+maxAbsentBytes)}
	l.clear(maxFound, maxAbsent)
	return l
}

func (l *Lookups) clear(found, absent int) {
	ninth := max(l.within/9, 1)
	l.found = lru.New[Query, answer](found, l.within-ninth, nil)
	l.absent = lru.New[Query, answer](absent, ninth, nil)
}

// Forget drops all answers. Those of lookups under way reach the requests that
// wait for them and are not kept.
func (l *Lookups) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear(maxFound, maxAbsent)
	l.generation.Add(1)
}

// Size returns how many answers are cached, and in how many bytes.
func (l *Lookups) Size() (entries int, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.found.Len() + l.absent.Len(), l.found.Size() + l.absent.Size()
}

// Generation counts Forget: what was concluded from answers of an earlier one
// must be concluded again.
func (l *Lookups) Generation() uint64 {
	if l == nil {
		return 0
	}
	return l.generation.Load()
}

// found is the first query that has a consumer.
type found struct {
	consumer *Consumer // nil: none has
	query    Query
	// fetched is when the oldest answer was asked for that this one rests on,
	// absence for earlier queries included; zero if nothing was asked.
	fetched time.Time
}

// first returns the consumer of the first query that has one. It asks no more
// than it takes to know that, in batches, within MaxWait. It fails closed: a
// failure before the first hit is an error, for it may hide an earlier one.
func (l *Lookups) first(ctx context.Context, ask Ask, queries []Query) (found, error) {
	answers := make([]answer, len(queries))
	size := firstBatch
	var out found
	for i := range answers {
		a := &answers[i]
		if !a.known {
			*a = l.cached(ask, queries[i])
		}
		if !a.known {
			if size == firstBatch {
				// Made here, since most requests ask no directory.
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, MaxWait)
				defer cancel()
			}
			l.ask(ctx, ask, queries[i:], answers[i:], size)
			size = nextBatch
		}
		if a.Err != nil {
			return found{}, a.Err
		}
		if out.fetched.IsZero() || a.fetched.Before(out.fetched) {
			out.fetched = a.fetched
		}
		if a.Consumer != nil {
			out.consumer, out.query = a.Consumer, queries[i]
			return out, nil
		}
	}
	return out, nil
}

// ask fills in the first answers that are not known, at most size of them and
// none behind one that is known to be a consumer.
func (l *Lookups) ask(ctx context.Context, ask Ask, queries []Query, answers []answer, size int) {
	var batch []Query
	var at []int
	for i := range answers {
		if len(batch) == size {
			break
		}
		if !answers[i].known {
			answers[i] = l.cached(ask, queries[i])
		}
		if !answers[i].known {
			batch, at = append(batch, queries[i]), append(at, i)
		} else if answers[i].Consumer != nil {
			break
		}
	}
	generation := l.Generation()
	results := find(ctx, ask.Directory, batch)
	for i, r := range results {
		answers[at[i]] = answer{Result: r, fetched: ask.Now, known: true}
	}
	if ask.MaxAge <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if generation != l.generation.Load() {
		return
	}
	for i := range results {
		if a := answers[at[i]]; a.Err == nil {
			l.put(batch[i], a)
		}
	}
}

// cached returns an answer that is young enough; an older one stays for
// requests that accept it.
func (l *Lookups) cached(ask Ask, q Query) answer {
	if ask.MaxAge <= 0 {
		return answer{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a, ok := l.found.Get(q)
	if !ok {
		a, ok = l.absent.Get(q)
	}
	a.known = ok && a.fresh(ask.Now, ask.MaxAge)
	return a
}

// fresh tells whether an answer may still be used. It ages by the wall clock or
// by the monotonic clock, whichever is faster: neither a clock that was set
// back nor a machine that slept makes it live longer.
func (a *answer) fresh(now time.Time, maxAge time.Duration) bool {
	return now.Sub(a.fetched) < maxAge && now.Round(0).Sub(a.fetched.Round(0)) < maxAge
}

// put keeps an answer unless one that was asked for later is there. The lock is
// held.
func (l *Lookups) put(q Query, a answer) {
	to, from := l.found, l.absent
	if a.Consumer == nil {
		to, from = from, to
	}
	for _, part := range []*lru.Cache[Query, answer]{to, from} {
		if old, ok := part.Get(q); ok && old.fetched.After(a.fetched) {
			return
		}
	}
	from.Remove(q)
	to.Put(q, a, sizeOf(q, a))
}

// sizeOf estimates the memory that an entry holds, in bytes.
func sizeOf(q Query, a answer) int64 {
	const fixed = 320 // the structures, the map's and the list's share
	n := fixed + len(q.Value)
	if c := a.Consumer; c != nil {
		n += 112 + len(c.ID) + len(c.Username) + len(c.CustomID)
		for _, tag := range c.Tags {
			n += 16 + len(tag)
		}
	}
	return int64(n)
}

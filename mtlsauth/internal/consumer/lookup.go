package consumer

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// How many questions are put at once: the first one alone, since most
// certificates are found by it, the following ones in batches, so that a
// certificate with MaxNames names is nobody's after 17 of them.
const (
	firstBatch = 1
	nextBatch  = 8
)

// Ask is how a request looks up consumers.
type Ask struct {
	Directory Directory
	// Shared says that the Directory outlives the request: equal questions that
	// are asked at once through shared ones are one lookup, which goes on when
	// the request that began it ends. One that lives with a request, such as
	// a connection's PDK calls, is asked by that request alone and within Find.
	Shared bool
	Now    time.Time
	// MaxAge is how old an answer may be, absence included (cache_ttl). With
	// zero or less nothing is taken from the cache and nothing kept.
	MaxAge time.Duration
}

// Lookups is a cache in front of a directory. The directories that are asked
// through one must be ways to the same consumers. Answers are kept, absence
// too; failures never. It is safe for use by many requests at once.
type Lookups struct {
	mu         sync.Mutex
	cache      cache
	within     int64 // bytes, for the cache
	flying     map[Query]*flight
	generation atomic.Uint64 // counts Forget
}

// NewLookups returns an empty cache.
func NewLookups() *Lookups { return NewLookupsWithin(maxFoundBytes + maxAbsentBytes) }

// NewLookupsWithin returns an empty cache of at most so many bytes, and at most
// what NewLookups has.
func NewLookupsWithin(bytes int64) *Lookups {
	return &Lookups{cache: newCache(bytes), within: bytes, flying: make(map[Query]*flight)}
}

// Forget drops all answers. Those of lookups that are running reach whoever
// waits for them and nobody else.
func (l *Lookups) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cache = newCache(l.within)
	l.flying = make(map[Query]*flight)
	l.generation.Add(1)
}

// Generation counts Forget: what was concluded from answers of an earlier one
// is to be concluded anew.
func (l *Lookups) Generation() uint64 { return l.generation.Load() }

// Share asks a directory that outlives the request. Equal questions that are
// asked at once are one, but across Forget, and nothing is kept.
func (l *Lookups) Share(ctx context.Context, d Directory, queries []Query, now time.Time) []Result {
	results := make([]Result, len(queries))
	for i, a := range l.share(ctx, Ask{Directory: d, Shared: true, Now: now}, queries) {
		results[i] = a.Result
	}
	return results
}

// found is the first query that somebody has.
type found struct {
	consumer *Consumer // nil for nobody
	index    int
	// fetched is when the oldest answer was asked for that this one rests on,
	// absence of earlier ones included; zero if nothing was asked.
	fetched time.Time
}

// first returns the consumer of the first query that somebody has. It asks no
// more than it takes to know that, in batches, within MaxWait. It fails closed:
// a failure before the first hit is an error, for it may hide an earlier one.
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
				// Made here, since most requests ask nobody.
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
			out.consumer, out.index = a.Consumer, i
			return out, nil
		}
	}
	return out, nil
}

func (l *Lookups) cached(ask Ask, q Query) answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, ok := l.cache.get(q, ask.Now, ask.MaxAge)
	a.known = ok
	return a
}

// ask fills in the first answers that are not known, at most size of them and
// none behind one that is known to be somebody.
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
	var got []answer
	if ask.Shared {
		got = l.share(ctx, ask, batch)
	} else {
		got = l.alone(ctx, ask, batch)
	}
	for i, a := range got {
		answers[at[i]] = a
	}
}

// alone asks in the caller's goroutine, for nobody else.
func (l *Lookups) alone(ctx context.Context, ask Ask, batch []Query) []answer {
	generation := l.generation.Load()
	got := answered(ask, find(ctx, ask.Directory, batch))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep(ask, generation, batch, got)
	return got
}

// keep puts into the cache what is no failure, unless Forget was called since.
func (l *Lookups) keep(ask Ask, generation uint64, batch []Query, got []answer) {
	if ask.MaxAge <= 0 || generation != l.generation.Load() {
		return
	}
	for i, a := range got {
		if a.Err == nil {
			l.cache.put(batch[i], a)
		}
	}
}

func answered(ask Ask, results []Result) []answer {
	answers := make([]answer, len(results))
	for i, r := range results {
		answers[i] = answer{Result: r, fetched: ask.Now, known: true}
	}
	return answers
}

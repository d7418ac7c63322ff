package cache

import (
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Key tells entries apart: a digest of what is asked, and of whom.
type Key [sha256.Size]byte

var (
	// ErrLate is that an exchange was not over within the time of the request.
	ErrLate = errors.New("no answer within the time that a request may take")
	errOurs = fmt.Errorf("%w: no place for an exchange, or no answer of the disk, within the time that a request may take", ErrLimit)
	errOver = errors.New("what was answered is not current any more")
)

// Options are those of a cache.
type Options[V any] struct {
	Exchanges *Exchanges // may be shared by several caches
	// Most bounds the entries. Those not used for longest go first, those without
	// a value before others.
	Most int
	// Later reports whether a value may take the place of another that was not
	// known when it was asked for, but the one before was; nil: never.
	Later func(value, known, before V) bool
	// Release is told that a value is not kept any more, and of the one that still
	// is; nil for none.
	Release func(old, kept V)
	// Replaced counts the values that were replaced by others that say something
	// else; nil for none.
	Replaced *atomic.Uint64
}

// Cache is safe for use by many requests at once.
type Cache[V any] struct {
	o Options[V]

	mu    sync.Mutex
	byKey map[Key]*list.Element
	order *list.List // of tableEntry, the most recently used first
}

type tableEntry[V any] struct {
	key   Key
	entry *entry[V]
}

// New returns an empty cache.
func New[V any](o Options[V]) *Cache[V] {
	return &Cache[V]{o: o, byKey: make(map[Key]*list.Element), order: list.New()}
}

// Question is what it takes to ask again and again.
type Question[V any] struct {
	Way    any           // how it is asked: comparable
	Anchor Anchor        // on whose account exchanges are
	TTL    time.Duration // after it a value is asked for again
	// Patient requests wait for an attempt that follows a failure.
	Patient bool
	// Current requests wait where a value is due and not renewed in the background,
	// rather than use it once more.
	Current bool
	// Waits is called before a request waits for an exchange, and what it returns
	// afterwards; nil for none.
	Waits func() (goesOn func())
	// Fetch makes an exchange; before is what is known, if anything.
	Fetch func(x *Exchange, before V, has bool) Outcome[V]
}

// Change is what the value of an outcome is to the one that was known.
type Change uint8

const (
	// Replaced: it is another.
	Replaced Change = iota
	// Agrees: it is another that says the same, for no shorter.
	Agrees
	// Confirmed: it is the one that was known.
	Confirmed
)

// Outcome is what an exchange brought. There may be a value with an error: one
// that is not good enough, yet tells more than what was known.
type Outcome[V any] struct {
	Value  V
	Got    bool
	Change Change
	Known  time.Time // when the value was had or confirmed
	Until  time.Time // from when on it cannot be used; zero: as before
	Err    error
	Retry  time.Time // of Err, when to try again; zero: as after any failure
}

// Reply is what is known.
type Reply[V any] struct {
	Value  V
	Usable bool      // and its time is not over
	Until  time.Time // when to ask again
	Err    error     // why there is no usable value
}

// Get returns what an entry knows once the exchange that it needs is over, or ctx
// is. now is the time of the request.
func (c *Cache[V]) Get(ctx context.Context, key Key, q Question[V], now func() time.Time) Reply[V] {
	return c.entry(key).get(ctx, q, now)
}

func (e *entry[V]) get(ctx context.Context, q Question[V], now func() time.Time) Reply[V] {
	if ctx.Err() != nil { // no request would wait for what is asked now
		return e.untried(ErrLate, now())
	}
	reply, x := e.look(q, now())
	if x == nil {
		return reply
	}
	if q.Waits != nil {
		defer q.Waits()()
	}
	select {
	case <-x.done:
		return e.settle(q, x, now())
	case <-ctx.Done():
		if x.ours.Load() {
			return e.untried(errOurs, now())
		}
		return e.untried(ErrLate, now())
	}
}

// Update replaces the value of an entry by what change makes of it, if anything.
func (c *Cache[V]) Update(key Key, change func(V) (value V, known, until time.Time, ok bool)) {
	c.mu.Lock()
	element, ok := c.byKey[key]
	c.mu.Unlock()
	if ok {
		element.Value.(tableEntry[V]).entry.update(change)
	}
}

// Len returns the number of entries.
func (c *Cache[V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.byKey)
}

// Each calls f with every value that is kept, usable or not.
func (c *Cache[V]) Each(f func(V)) {
	c.mu.Lock()
	entries := make([]*entry[V], 0, len(c.byKey))
	for _, element := range c.byKey {
		entries = append(entries, element.Value.(tableEntry[V]).entry)
	}
	c.mu.Unlock()
	for _, e := range entries {
		e.mu.Lock()
		value, has := e.value, e.has
		e.mu.Unlock()
		if has {
			f(value)
		}
	}
}

// entry returns that of a key, a new one if there is none.
func (c *Cache[V]) entry(key Key) *entry[V] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.byKey[key]; ok {
		c.order.MoveToFront(element)
		return element.Value.(tableEntry[V]).entry
	}
	e := &entry[V]{o: &c.o}
	c.byKey[key] = c.order.PushFront(tableEntry[V]{key, e})
	for len(c.byKey) > c.o.Most {
		c.drop(c.leastUseful())
	}
	return e
}

// looked is how many of those that were not used for longest are looked at.
const looked = 64

// leastUseful returns the entry to drop: one that has nothing to lose before one
// with a value, so that URLs that do not answer push out no values of others.
func (c *Cache[V]) leastUseful() *list.Element {
	element := c.order.Back()
	for range looked {
		if element == nil || element == c.order.Front() { // the one that is asked for
			break
		}
		if element.Value.(tableEntry[V]).entry.empty() {
			return element
		}
		element = element.Prev()
	}
	return c.order.Back()
}

// DropIdle makes room: it drops the entry that was not used for longest among those
// that are not in use and whose value may go, but not the one of key. It reports
// whether there was any.
func (c *Cache[V]) DropIdle(key Key, mayGo func(V) bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for element := c.order.Back(); element != nil; element = element.Prev() {
		if e := element.Value.(tableEntry[V]); e.key != key && e.entry.idle(mayGo) {
			c.drop(element)
			return true
		}
	}
	return false
}

func (c *Cache[V]) drop(element *list.Element) {
	e := c.order.Remove(element).(tableEntry[V])
	delete(c.byKey, e.key)
	e.entry.end()
}

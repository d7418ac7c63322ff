package authn

import (
	"container/list"
	"crypto/sha256"
	"sync"
	"time"
)

// Cache keeps decisions, bounded in number and in bytes, least recently used
// out first. Denials have a part of their own, so that no number of refused
// certificates pushes out one that is let in. It also keeps what path validation
// made of the CA certificates that policies have in common.
type Cache struct {
	passed, denied lru
	trusts         trusts
}

// Limits of a cache. A decision takes 1 to 2 KiB; see Decision.size.
const (
	maxPassed, maxPassedBytes = 100_000, 64 << 20
	maxDenied, maxDeniedBytes = 4_096, 4 << 20
)

// NewCache returns an empty cache.
func NewCache() *Cache {
	return &Cache{
		passed: newLRU(maxPassed, maxPassedBytes),
		denied: newLRU(maxDenied, maxDeniedBytes),
		trusts: newTrusts(),
	}
}

// cacheKey is a digest of a policy and of what was presented to it.
type cacheKey [sha256.Size]byte

// get returns a decision that still stands at now and was reached with this
// version of the evidence, or nil.
func (c *Cache) get(key cacheKey, version uint64, now time.Time) *Decision {
	if d := c.passed.get(key, version, now); d != nil {
		return d
	}
	return c.denied.get(key, version, now)
}

func (c *Cache) put(key cacheKey, version uint64, d *Decision) {
	if d.Passed() {
		c.passed.put(key, version, d)
	} else {
		c.denied.put(key, version, d)
	}
}

type lru struct {
	maxEntries, maxBytes int

	mu    sync.Mutex
	byKey map[cacheKey]*list.Element
	order *list.List // of entry, the most recently used first
	bytes int
}

type entry struct {
	key      cacheKey
	decision *Decision
	version  uint64
	size     int
}

func newLRU(maxEntries, maxBytes int) lru {
	return lru{
		maxEntries: maxEntries,
		maxBytes:   maxBytes,
		byKey:      make(map[cacheKey]*list.Element),
		order:      list.New(),
	}
}

func (l *lru) get(key cacheKey, version uint64, now time.Time) *Decision {
	l.mu.Lock()
	defer l.mu.Unlock()
	element, ok := l.byKey[key]
	if !ok {
		return nil
	}
	e := element.Value.(*entry)
	if e.version != version || !e.decision.fresh(now) {
		l.remove(element)
		return nil
	}
	l.order.MoveToFront(element)
	return e.decision
}

func (l *lru) put(key cacheKey, version uint64, d *Decision) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if element, ok := l.byKey[key]; ok {
		l.remove(element)
	}
	e := &entry{key: key, decision: d, version: version, size: d.size()}
	l.byKey[key] = l.order.PushFront(e)
	l.bytes += e.size
	for len(l.byKey) > l.maxEntries || l.bytes > l.maxBytes {
		l.remove(l.order.Back())
	}
}

func (l *lru) remove(element *list.Element) {
	e := l.order.Remove(element).(*entry)
	delete(l.byKey, e.key)
	l.bytes -= e.size
}

package authn

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"sync"
	"time"
)

// Cache keeps decisions, bounded in number and in bytes, least recently used
// out first. Denials have a part of their own, so that no number of refused
// certificates pushes out one that is let in. It also keeps what path validation
// made of the CA certificates that policies have in common.
type Cache struct {
	passed, denied *lru
	trusts         trusts
}

// Limits of a cache. A pass takes some 900 bytes, a denial 1 to 2 KiB; see
// Decision.size.
const (
	maxPassed, maxPassedBytes = 100_000, 92 << 20
	maxDenied, maxDeniedBytes = 4_096, 4 << 20
)

// NewCache returns an empty cache.
func NewCache() *Cache { return NewCacheWithin(maxPassedBytes + maxDeniedBytes) }

// NewCacheWithin returns an empty cache whose decisions take at most so many
// bytes, a 24th of them for denials, and at most what NewCache's do.
func NewCacheWithin(bytes int64) *Cache {
	bytes = min(bytes, maxPassedBytes+maxDeniedBytes)
	denied := bytes / ((maxPassedBytes + maxDeniedBytes) / maxDeniedBytes)
	return &Cache{
		passed: newLRU(maxPassed, int(bytes-denied)),
		denied: newLRU(maxDenied, int(denied)),
		trusts: newTrusts(),
	}
}

// cacheKey is a digest of a policy and of what was presented to it: SHA-256, of
// which 224 bits leave an entry at 64 bytes.
type cacheKey [sha256.Size224]byte

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

// lru is bounded in number and in bytes, least recently used out first. Its
// entries are their own list: there are a hundred thousand of them. It is our own
// because hashicorp/golang-lru v2.0.7 has no bound in bytes and took a third
// longer to find one of those, 0.67 against 0.52 µs, and half as long again to
// put one in the place of another.
type lru struct {
	maxEntries, maxBytes int

	mu sync.Mutex
	// byPrefix finds an entry by the first bytes of its key, which half the
	// memory of a map holds. Of two keys that begin alike the later one stays.
	byPrefix map[uint64]*entry
	ends     entry // of the list: next is the most recently used, prev the least
	bytes    int
}

type entry struct {
	prev, next *entry
	decision   *Decision
	version    uint64
	key        cacheKey
	size       uint32
}

func newLRU(maxEntries, maxBytes int) *lru {
	l := &lru{maxEntries: maxEntries, maxBytes: maxBytes, byPrefix: make(map[uint64]*entry)}
	l.ends.prev, l.ends.next = &l.ends, &l.ends
	return l
}

// prefix is spread evenly: a key is a digest.
func (k *cacheKey) prefix() uint64 { return binary.LittleEndian.Uint64(k[:]) }

func (l *lru) get(key cacheKey, version uint64, now time.Time) *Decision {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.byPrefix[key.prefix()]
	if e == nil || e.key != key {
		return nil
	}
	if e.version != version || !e.decision.fresh(now) {
		l.remove(e)
		return nil
	}
	e.unlink()
	e.linkAfter(&l.ends)
	return e.decision
}

func (l *lru) put(key cacheKey, version uint64, d *Decision) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.byPrefix[key.prefix()]; old != nil {
		l.remove(old)
	}
	e := &entry{key: key, decision: d, version: version, size: uint32(min(d.size(), math.MaxUint32))}
	e.linkAfter(&l.ends)
	l.byPrefix[key.prefix()] = e
	l.bytes += int(e.size)
	for l.ends.prev != &l.ends && (len(l.byPrefix) > l.maxEntries || l.bytes > l.maxBytes) {
		l.remove(l.ends.prev)
	}
}

func (l *lru) remove(e *entry) {
	e.unlink()
	delete(l.byPrefix, e.key.prefix())
	l.bytes -= int(e.size)
}

func (e *entry) unlink() {
	e.prev.next, e.next.prev = e.next, e.prev
}

func (e *entry) linkAfter(at *entry) {
	e.prev, e.next = at, at.next
	at.next.prev = e
	at.next = e
}

package authn

import (
	"crypto/sha256"
	"sync"
	"time"

	"mtls-auth/mtlsauth/internal/lru"
)

// Cache caches decisions, bounded in number and in bytes. Denials have a part of their
// own, so that no number of refused certificates pushes out one that passes. It also
// caches what path validation makes of the CA certificates that policies have in common.
type Cache struct {
	mu             sync.Mutex
	passed, denied *lru.Cache[cacheKey, cached]

	trusts trusts
}

// cached is a decision with the version of the evidence by which it was reached.
type cached struct {
	decision *Decision
	version  uint64
}

// Limits of a cache. A pass takes some 700 bytes, a denial 1 to 2 KiB; see
// Decision.size.
const (
	maxPassed, maxPassedBytes = 100_000, 74 << 20
	maxDenied, maxDeniedBytes = 4_096, 4 << 20
)

// NewCacheWithin returns an empty cache whose decisions take at most so many
// bytes, a 19th of them for denials, and at most 78 MiB.
func NewCacheWithin(bytes int64) *Cache {
	bytes = min(bytes, maxPassedBytes+maxDeniedBytes)
	denied := bytes / ((maxPassedBytes + maxDeniedBytes) / maxDeniedBytes)
	return &Cache{
		passed: lru.New[cacheKey, cached](maxPassed, bytes-denied, nil),
		denied: lru.New[cacheKey, cached](maxDenied, denied, nil),
		trusts: newTrusts(),
	}
}

// cacheKey is a digest of a policy and of what was presented to it: SHA-256, of
// which 224 bits are enough and leave the cache smaller.
type cacheKey [sha256.Size224]byte

// get returns a decision that may be used at now and was reached by this version of the
// evidence, or nil.
func (c *Cache) get(key cacheKey, version uint64, now time.Time) *Decision {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, part := range [...]*lru.Cache[cacheKey, cached]{c.passed, c.denied} {
		if e, ok := part.Get(key); ok {
			if e.version == version && e.decision.fresh(now) {
				return e.decision
			}
			part.Remove(key)
		}
	}
	return nil
}

// Size returns how many decisions are cached, and in how many bytes.
func (c *Cache) Size() (entries int, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.passed.Len() + c.denied.Len(), c.passed.Size() + c.denied.Size()
}

func (c *Cache) put(key cacheKey, version uint64, d *Decision) {
	part := c.denied
	if d.Passed() {
		part = c.passed
	}
	size := d.size()
	c.mu.Lock()
	defer c.mu.Unlock()
	part.Put(key, cached{d, version}, size)
}

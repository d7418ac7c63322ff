package authn

import "context"

// NewCache returns an empty cache of the largest size.
func NewCache() *Cache { return NewCacheWithin(maxPassedBytes + maxDeniedBytes) }

// MaxWaiting is maxWaiting.
const MaxWaiting = maxWaiting

// Acquire is acquire.
func (l *Limiter) Acquire(ctx context.Context, policy uint64) (func(), error) {
	return l.acquire(ctx, policy)
}

// Free is how many may begin at once.
func (l *Limiter) Free() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.free
}

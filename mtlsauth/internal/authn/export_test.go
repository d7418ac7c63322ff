package authn

import "context"

// NewCache returns an empty cache of the largest size.
func NewCache() *Cache { return NewCacheWithin(maxPassedBytes + maxDeniedBytes) }

// MaxWaiting is maxWaiting.
const MaxWaiting = maxWaiting

// Acquire is acquire.
func (l *Limiter) Acquire(ctx context.Context) (func(), error) { return l.acquire(ctx) }

// Running is how many may run at once.
func (l *Limiter) Running() int { return cap(l.running) }

package authn

import "context"

// MaxWaiting is maxWaiting.
const MaxWaiting = maxWaiting

// Acquire is acquire.
func (l *Limiter) Acquire(ctx context.Context) (func(), error) { return l.acquire(ctx) }

// Running is how many may run at once.
func (l *Limiter) Running() int { return cap(l.running) }

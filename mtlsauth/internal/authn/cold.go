package authn

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// Cold bounds the work on what was presented for the first time, and shares it
// between requests that presented the same: a flood of new certificates leaves
// requests that were decided before responsive.
type Cold struct {
	turns   chan struct{} // of those who compute
	waiting atomic.Int64
	// full reports that the program is about to outgrow its memory.
	full func() bool

	mu      sync.Mutex
	flights map[flightKey]*flight
}

// flightKey is a question that is the same for all who ask it.
type flightKey struct {
	key     cacheKey
	version uint64
}

// flight is a decision that is being made.
type flight struct {
	done     chan struct{}
	decision *Decision // nil when it was not made
}

// maxWaiting bounds the requests that wait for their turn. Each takes a fraction
// of a millisecond, 10 ms at the worst.
const maxWaiting = 1024

// errBusy and errFull are limits of our own: the answer is 500.
var (
	errBusy = fmt.Errorf("over %d certificates wait to be judged", maxWaiting)
	errFull = errors.New("the memory limit is near: no new certificate is judged")
)

// NewCold returns the bounds of this machine: one processor is left to what was
// decided before, where there are several. full tells when memory runs short;
// nil is never.
func NewCold(full func() bool) *Cold {
	if full == nil {
		full = func() bool { return false }
	}
	return &Cold{
		turns:   make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)),
		full:    full,
		flights: make(map[flightKey]*flight),
	}
}

// turn waits for the right to compute; release gives it back.
func (c *Cold) turn(ctx context.Context) (release func(), err error) {
	if c.full() {
		return nil, errFull
	}
	select {
	case c.turns <- struct{}{}:
	default:
		if c.waiting.Add(1) > maxWaiting {
			c.waiting.Add(-1)
			return nil, errBusy
		}
		defer c.waiting.Add(-1)
		select {
		case c.turns <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return func() { <-c.turns }, nil
}

// share has decide make a decision, or waits for a request with the same
// question that is doing so. A lookup that failed is not shared: it may have been
// the one request's, so each asks for itself.
func (c *Cold) share(key flightKey, decide func() *Decision) *Decision {
	c.mu.Lock()
	if f, ok := c.flights[key]; ok {
		c.mu.Unlock()
		<-f.done
		if d := f.decision; d != nil && d.Reason != LookupFailed {
			return d
		}
		return decide()
	}
	f := &flight{done: make(chan struct{})}
	c.flights[key] = f
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.flights, key)
		c.mu.Unlock()
		close(f.done)
	}()
	f.decision = decide()
	return f.decision
}

package authn

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// Limiter bounds concurrent verification of uncached certificates, and shares it between
// requests that present the same: a flood of new certificates leaves requests whose
// decision is cached responsive.
type Limiter struct {
	running chan struct{} // one for each verification that runs
	waiting atomic.Int64
	// full reports that the program is about to outgrow its memory.
	full func() bool

	// How often each limit has refused a request.
	busy, fullUp, status atomic.Uint64

	mu      sync.Mutex
	flights map[flightKey]*flight
}

// flightKey is a question that is the same for all who ask it.
type flightKey struct {
	key     cacheKey
	version uint64
}

// flight is a decision that is being made, for all who ask for it meanwhile.
type flight struct {
	done     chan struct{}
	decision *Decision // nil when it was not made
}

// maxWaiting bounds the requests that wait to be verified. Each takes a fraction
// of a millisecond, 10 ms at the worst.
const maxWaiting = 1024

// errBusy and errFull are limits of our own: the answer is 500.
var (
	errBusy = fmt.Errorf("over %d certificates wait to be verified", maxWaiting)
	errFull = errors.New("the memory limit is near: no new certificate is verified")
)

// NewLimiter returns a limiter for this machine: one processor is left to cached
// decisions, where there are several. full reports that memory runs short; nil is never.
func NewLimiter(full func() bool) *Limiter {
	if full == nil {
		full = func() bool { return false }
	}
	return &Limiter{
		running: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)),
		full:    full,
		flights: make(map[flightKey]*flight),
	}
}

// acquire waits until a verification may run; release ends it. An error is a limit of our
// own, or that of ctx.
func (l *Limiter) acquire(ctx context.Context) (release func(), err error) {
	if l.full() {
		l.fullUp.Add(1)
		return nil, errFull
	}
	select {
	case l.running <- struct{}{}:
	default:
		if l.waiting.Add(1) > maxWaiting {
			l.waiting.Add(-1)
			l.busy.Add(1)
			return nil, errBusy
		}
		defer l.waiting.Add(-1)
		select {
		case l.running <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return func() { <-l.running }, nil
}

// Reached returns how often each limit has refused a request: of certificates that wait to
// be verified, of memory, and of package revocation.
func (l *Limiter) Reached() map[string]uint64 {
	return map[string]uint64{"verification": l.busy.Load(), "memory": l.fullUp.Load(), "revocation": l.status.Load()}
}

// share has decide make a decision, or waits for a request with the same
// question that is doing so. A lookup that failed is not shared: it may have been
// the one request's, so each asks for itself.
func (l *Limiter) share(key flightKey, decide func() *Decision) *Decision {
	l.mu.Lock()
	if f, ok := l.flights[key]; ok {
		l.mu.Unlock()
		<-f.done
		if d := f.decision; d != nil && d.Reason != LookupFailed {
			return d
		}
		return decide()
	}
	f := &flight{done: make(chan struct{})}
	l.flights[key] = f
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.flights, key)
		l.mu.Unlock()
		close(f.done)
	}()
	f.decision = decide()
	return f.decision
}

package authn

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Limiter bounds concurrent verification of uncached certificates, and shares it between
// requests that present the same: a flood of new certificates leaves requests whose
// decision is cached responsive.
//
// The policies take turns, so that a flood at one keeps none of another waiting. A policy
// has no more requests that wait than there is room for others: there is always some left.
type Limiter struct {
	// full reports that the program is about to outgrow its memory.
	full func() bool

	// How often each limit has refused a request.
	busy, fullUp, status atomic.Uint64

	mu         sync.Mutex
	free       int                        // verifications that may begin at once
	waiting    map[uint64][]chan struct{} // by policy, in order of their coming
	turns      []uint64                   // policies for which requests wait
	allWaiting int

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

// maxWaiting bounds the requests that wait to be verified, of one policy half of them. Each
// takes a fraction of a millisecond, 10 ms at the worst.
const maxWaiting = 2048

// errBusy and errFull are limits of our own: the answer is 500.
var (
	errBusy = fmt.Errorf("too many certificates wait to be verified: at most %d, of one configuration half of what others leave", maxWaiting)
	errFull = errors.New("the memory limit is near: no new certificate is verified")
)

// NewLimiter returns a limiter for this machine: one processor is left to cached
// decisions, where there are several. full reports that memory runs short; nil is never.
func NewLimiter(full func() bool) *Limiter {
	if full == nil {
		full = func() bool { return false }
	}
	return &Limiter{
		free:    max(1, runtime.GOMAXPROCS(0)-1),
		waiting: make(map[uint64][]chan struct{}),
		full:    full,
		flights: make(map[flightKey]*flight),
	}
}

// acquire waits until a verification of this policy may run; release ends it. An error is a
// limit of our own, or that of ctx.
func (l *Limiter) acquire(ctx context.Context, policy uint64) (release func(), err error) {
	if l.full() {
		l.fullUp.Add(1)
		return nil, errFull
	}
	l.mu.Lock()
	if l.free > 0 {
		l.free--
		l.mu.Unlock()
		return l.release, nil
	}
	own := l.waiting[policy]
	if len(own) >= maxWaiting-l.allWaiting {
		l.mu.Unlock()
		l.busy.Add(1)
		return nil, errBusy
	}
	given := make(chan struct{})
	if len(own) == 0 {
		l.turns = append(l.turns, policy)
	}
	l.waiting[policy] = append(own, given)
	l.allWaiting++
	l.mu.Unlock()
	select {
	case <-given:
		return l.release, nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	at := slices.Index(l.waiting[policy], given)
	if at >= 0 {
		l.drop(policy, at)
	}
	l.mu.Unlock()
	if at < 0 { // it was given meanwhile
		l.release()
	}
	return nil, ctx.Err()
}

// release gives the place to the policy that waits longest for a turn.
func (l *Limiter) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.turns) == 0 {
		l.free++
		return
	}
	next := l.turns[0]
	close(l.waiting[next][0])
	l.drop(next, 0)
	if at := slices.Index(l.turns, next); at >= 0 {
		l.turns = append(slices.Delete(l.turns, at, at+1), next)
	}
}

// drop takes one of those that wait off its policy's queue.
func (l *Limiter) drop(policy uint64, at int) {
	l.allWaiting--
	if l.waiting[policy] = slices.Delete(l.waiting[policy], at, at+1); len(l.waiting[policy]) == 0 {
		delete(l.waiting, policy)
		l.turns = slices.DeleteFunc(l.turns, func(p uint64) bool { return p == policy })
	}
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

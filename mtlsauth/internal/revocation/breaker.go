package revocation

import (
	"fmt"
	"sync"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/address"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
)

// maxBroken bounds what a breaker remembers.
const maxBroken = 1000

// origin is where a connection goes: what an address says for one issuer does
// not count against another's, but a host that cannot be reached is so for all.
type origin struct {
	address address.Address
	proxy   string
	// verified says that a connection needs a certificate that verifies: it
	// fails for those who ask for that, and for nobody else.
	verified bool
}

// silence is an address that gives one issuer's certificates no answer in time.
type silence struct {
	issuer  [32]byte
	address string
	how     fetch.How
}

// breaker remembers what does not work at all, so that not each of ten thousand
// certificates has to find out. One attempt at a time is made again, a second
// after the first failure and then every five.
type breaker[K comparable] struct {
	threshold int // failures in a row that it takes

	mu     sync.Mutex
	broken map[K]*broken
}

type broken struct {
	failures int
	failed   time.Time // when the last attempt did
	next     time.Time
	trying   bool
	patience time.Duration // http_timeout of the attempts that failed
	err      error
}

func newBreaker[K comparable](threshold int) *breaker[K] {
	return &breaker[K]{threshold: threshold, broken: make(map[K]*broken)}
}

// brokenError is that nothing was tried because others failed lately.
type brokenError struct {
	next time.Time
	err  error
}

func (e *brokenError) Error() string { return fmt.Sprintf("not tried again yet: %v", e.err) }
func (e *brokenError) Unwrap() error { return e.err }

// check reports by its error whether allow would refuse now.
func (b *breaker[K]) check(key K, patience time.Duration, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := b.look(key, patience, now); err != nil {
		return err
	}
	return nil
}

// allow reports by its error whether to try now. Who would wait longer than
// those who failed is not held back by them. What is allowed must be told to
// report or over.
func (b *breaker[K]) allow(key K, patience time.Duration, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	state, err := b.look(key, patience, now)
	if err != nil {
		return err
	}
	if state != nil {
		state.trying = true
	}
	return nil
}

// look returns what is to be tried again, nil where nothing is broken.
func (b *breaker[K]) look(key K, patience time.Duration, now time.Time) (*broken, error) {
	state := b.broken[key]
	switch {
	case state == nil || state.failures < b.threshold || patience > state.patience:
		return nil, nil
	case now.Before(state.next):
		return nil, &brokenError{state.next, state.err}
	case state.trying:
		return nil, &brokenError{now.Add(backoff(1)), state.err}
	}
	return state, nil
}

// report tells how an attempt went that was allowed and began at an instant;
// nil when it worked. Attempts that ran side by side fail once.
func (b *breaker[K]) report(key K, patience time.Duration, err error, began, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		delete(b.broken, key)
		return
	}
	state := b.broken[key]
	if state == nil {
		if len(b.broken) >= maxBroken {
			b.forget(now)
		}
		state = new(broken)
		b.broken[key] = state
	}
	state.trying = false
	if began.Before(state.failed) && state.failures >= b.threshold {
		state.patience = max(patience, state.patience)
		return
	}
	// Only the last failure counts for how long others would wait: else one of
	// the patient would have them wait for the impatient ever after.
	state.patience, state.err = patience, err
	state.failures++
	state.failed = now
	state.next = now.Add(backoff(state.failures - b.threshold + 1))
}

// over ends an attempt that says nothing of what the breaker goes by.
func (b *breaker[K]) over(key K) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if state := b.broken[key]; state != nil {
		state.trying = false
	}
}

// forget drops what may be tried again, else anything.
func (b *breaker[K]) forget(now time.Time) {
	for key, state := range b.broken {
		if now.After(state.next) {
			delete(b.broken, key)
		}
	}
	for key := range b.broken {
		if len(b.broken) < maxBroken {
			return
		}
		delete(b.broken, key)
	}
}

package revocation

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/address"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
)

const (
	// maxBroken bounds what a breaker remembers.
	maxBroken = 1000
	// maxSilent is how many exchanges with a host may end without an answer in time
	// before those for other certificates of the issuer are held back.
	maxSilent = 3
)

// host is where a connection goes. What it answers for one issuer does not count
// against another's; that it cannot be connected to does, so that issuer is then
// zero.
type host struct {
	address address.Address
	proxy   string
	// verified says that a connection needs a certificate that verifies: it fails
	// for those who ask for that, and for no others.
	verified bool
	issuer   [32]byte
}

func hostOf(e endpoint) (host, error) {
	u, err := address.Parse(e.address)
	if err != nil {
		return host{}, err
	}
	return host{u.Address, e.how.Proxy(u.Address), u.Scheme == "https" && e.how.SSLVerify, e.issuer}, nil
}

func (h host) connecting() host {
	h.issuer = [32]byte{}
	return h
}

// breaker remembers hosts that cannot be connected to or do not answer in time, so
// that not each of ten thousand certificates has to find out. One attempt at a time
// is made again, a second after the first failure and then every five.
type breaker struct {
	mu     sync.Mutex
	broken map[host]*broken
}

type broken struct {
	failures int       // in a row
	takes    int       // so many to hold others back
	failed   time.Time // when the last attempt did
	next     time.Time
	trying   bool
	patience time.Duration // http_timeout of the attempts that failed
	err      error
}

func newBreaker() *breaker { return &breaker{broken: make(map[host]*broken)} }

// brokenError is that nothing was tried because others failed lately.
type brokenError struct {
	next time.Time
	err  error
}

func (e *brokenError) Error() string { return fmt.Sprintf("not tried again yet: %v", e.err) }
func (e *brokenError) Unwrap() error { return e.err }

// check reports by its error whether not to try now. Who would wait longer than
// those who failed is not held back by them. With begin, an attempt is to be made,
// and has to be told to report.
func (b *breaker) check(h host, patience time.Duration, now time.Time, begin bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var tried []*broken
	for _, key := range []host{h.connecting(), h} {
		state := b.broken[key]
		switch {
		case state == nil || state.failures < state.takes || patience > state.patience:
		case now.Before(state.next):
			return &brokenError{state.next, state.err}
		case state.trying:
			return &brokenError{now.Add(time.Second), state.err}
		default:
			tried = append(tried, state)
		}
	}
	for _, state := range tried {
		state.trying = state.trying || begin
	}
	return nil
}

// report tells how an attempt went that began at an instant.
func (b *breaker) report(h host, patience time.Duration, err error, began, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, key := range []host{h.connecting(), h} {
		if state := b.broken[key]; state != nil {
			state.trying = false
		}
	}
	failure, ok := errors.AsType[*fetch.Error](err)
	switch {
	case ok && failure.Kind == fetch.Connect:
		b.fail(h.connecting(), 1, patience, err, began, now)
	case ok && failure.Kind == fetch.Timeout:
		delete(b.broken, h.connecting())
		b.fail(h, maxSilent, patience, err, began, now)
	case ok && (failure.Kind == fetch.BadAddress || failure.Kind == fetch.Refused || failure.Kind == fetch.Canceled):
		// Nothing was learned of the host.
	default: // it answered, well or not
		delete(b.broken, h.connecting())
		delete(b.broken, h)
	}
}

// fail counts a failure, of which it takes so many. Attempts that ran side by side
// fail once.
func (b *breaker) fail(key host, takes int, patience time.Duration, err error, began, now time.Time) {
	state := b.broken[key]
	if state == nil {
		if len(b.broken) >= maxBroken {
			b.forget(now)
		}
		state = &broken{takes: takes}
		b.broken[key] = state
	}
	if began.Before(state.failed) && state.failures >= takes {
		state.patience = max(patience, state.patience)
		return
	}
	state.failures++
	// Only the last failure counts for how long others would wait: else one of
	// the patient would have them wait for the impatient ever after.
	state.patience, state.err, state.failed = patience, err, now
	state.next = now.Add(time.Second)
	if state.failures > takes {
		state.next = now.Add(5 * time.Second)
	}
}

// forget drops what may be tried again, else anything.
func (b *breaker) forget(now time.Time) {
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

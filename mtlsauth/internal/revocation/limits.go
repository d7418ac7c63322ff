package revocation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxExchanges bounds the exchanges that run at once: descriptors, and what
	// a responder has to bear from one gateway.
	maxExchanges = 64
	// maxPerAnchor is what one trust anchor's addresses may hold of them,
	// however slow they are, so that others are served. It is no more than
	// fetch lets through to one host.
	maxPerAnchor = maxExchanges / 2
	// maxFlights bounds the exchanges that run or wait to, a goroutine each. Half
	// of them may be for one trust anchor.
	maxFlights = 4096
	// maxWaiting bounds the requests that wait for an answer. Kong holds a
	// connection for each.
	maxWaiting = 10_000
)

// ErrLimit is a limit of our own: nothing that is known of a certificate. It
// never lets anybody in, in no mode.
var ErrLimit = errors.New("limit reached")

// isOurs reports an error that says nothing of a certificate or an address: a
// limit of our own, or a fault in this program.
func isOurs(err error) bool { return errors.Is(err, ErrLimit) || errors.Is(err, errPanic) }

func limitError(what string, most int) error {
	return fmt.Errorf("%w: %s, at most %d", ErrLimit, what, most)
}

// counter counts what may be no more than so many at once.
type counter struct {
	n    atomic.Int64
	most int64
}

func (c *counter) enter() bool {
	if c.n.Add(1) > c.most {
		c.n.Add(-1)
		return false
	}
	return true
}

func (c *counter) leave() { c.n.Add(-1) }

// shares counts what may be no more than so many at once, and no more than half
// of that for one trust anchor.
type shares struct {
	mu       sync.Mutex
	most     int
	all      int
	byAnchor map[[32]byte]int
}

func (s *shares) enter(anchor [32]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= s.most || s.byAnchor[anchor] >= (s.most+1)/2 {
		return false
	}
	if s.byAnchor == nil {
		s.byAnchor = make(map[[32]byte]int)
	}
	s.all++
	s.byAnchor[anchor]++
	return true
}

func (s *shares) leave(anchor [32]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.byAnchor[anchor]--; s.byAnchor[anchor] == 0 {
		delete(s.byAnchor, anchor)
	}
}

// permits hands out the right to run an exchange. Trust anchors are known by
// their digest.
type permits struct {
	all chan struct{}

	mu       sync.Mutex
	byAnchor map[[32]byte]*anchorPermits
}

type anchorPermits struct {
	held  chan struct{}
	users int // exchanges that hold one or wait for one
}

func newPermits() *permits {
	return &permits{all: make(chan struct{}, maxExchanges), byAnchor: make(map[[32]byte]*anchorPermits)}
}

// acquire waits until an exchange for this trust anchor may run, and calls
// queued where that is not at once; release gives the right back. Its error is
// ErrLimit.
func (p *permits) acquire(ctx context.Context, anchor [32]byte, queued func()) (release func(), err error) {
	p.mu.Lock()
	own := p.byAnchor[anchor]
	if own == nil {
		own = &anchorPermits{held: make(chan struct{}, maxPerAnchor)}
		p.byAnchor[anchor] = own
	}
	own.users++
	p.mu.Unlock()
	leave := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if own.users--; own.users == 0 {
			delete(p.byAnchor, anchor)
		}
	}
	if !enter(ctx, own.held, queued) {
		leave()
		return nil, limitError("exchanges of one trust anchor", maxPerAnchor)
	}
	if !enter(ctx, p.all, queued) {
		<-own.held
		leave()
		return nil, limitError("exchanges", maxExchanges)
	}
	return func() {
		<-p.all
		<-own.held
		leave()
	}, nil
}

// enter takes a place, or waits for one until ctx ends.
func enter(ctx context.Context, places chan<- struct{}, queued func()) bool {
	select {
	case places <- struct{}{}:
		return true
	default:
	}
	queued()
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// Memory is what CRLs may take in all, in bytes: fetched ones, those of a
// folder, and those that are being read.
type Memory struct {
	limit int64
	used  atomic.Int64
}

// NewMemory returns so many bytes of it.
func NewMemory(bytes int64) *Memory { return &Memory{limit: bytes} }

// Reserve takes bytes, or refuses with ErrLimit; Release gives them back.
func (m *Memory) Reserve(bytes int) error { return m.reserve(int64(bytes)) }

// Release is described at Reserve.
func (m *Memory) Release(bytes int) { m.release(int64(bytes)) }

func (m *Memory) reserve(n int64) error {
	if m.used.Add(n) > m.limit {
		m.used.Add(-n)
		return fmt.Errorf("%w: %d bytes for CRLs", ErrLimit, m.limit)
	}
	return nil
}

func (m *Memory) release(n int64) { m.used.Add(-n) }

// backoff is when an attempt may be made after so many that failed: after a
// second, then every five.
func backoff(failures int) time.Duration {
	if failures <= 1 {
		return time.Second
	}
	return 5 * time.Second
}

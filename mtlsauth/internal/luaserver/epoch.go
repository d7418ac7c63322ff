package luaserver

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"sync"
	"time"
)

// epochs invalidate decisions cached by Kong's workers: another one begins when evidence
// is replaced. No two processes have an epoch in common.
type epochs struct {
	process string

	mu     sync.Mutex
	number uint64
	over   chan struct{} // closed when the epoch is
}

func newEpochs() *epochs {
	var process [8]byte
	rand.Read(process[:])
	return &epochs{process: hex.EncodeToString(process[:]), over: make(chan struct{})}
}

// now returns the name of the epoch.
func (e *epochs) now() string {
	name, _ := e.watch()
	return name
}

// watch returns the name of the epoch, and a channel that is closed at its end.
func (e *epochs) watch() (string, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.process + "-" + strconv.FormatUint(e.number, 10), e.over
}

// next begins another epoch.
func (e *epochs) next() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.number++
	close(e.over)
	e.over = make(chan struct{})
}

// clock detects that the wall clock is set back: Kong's workers know by it how long a
// decision is fresh.
type clock struct {
	start time.Time
	// lag is how far the wall clock is behind the monotonic one: the least so far.
	lag time.Duration
}

// setBackBy is how much further it may fall behind: clocks are slewed.
const setBackBy = 500 * time.Millisecond

func newClock(start time.Time) *clock { return &clock{start: start.Round(0)} }

// setBack reports whether the wall clock was set back since the last call, elapsed being
// the time since the start by the monotonic clock.
func (c *clock) setBack(wall time.Time, elapsed time.Duration) bool {
	lag := elapsed - wall.Round(0).Sub(c.start)
	back := lag-c.lag > setBackBy
	if back || lag < c.lag {
		c.lag = lag
	}
	return back
}

package luaserver

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"sync"
	"time"
)

// epochs are the times in which what was decided may be kept: a new one begins when
// evidence is replaced. Each process has epochs of its own.
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

// now returns the epoch's name.
func (e *epochs) now() string {
	name, _ := e.watch()
	return name
}

// watch returns the epoch's name, and what is closed at its end.
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

// clock tells when the wall clock is set back, by which workers of Kong know how
// long they may keep something.
type clock struct {
	start time.Time
	// lag is how far the wall clock is behind the monotonic one, at the least so
	// far.
	lag time.Duration
}

// setBackBy is how much further behind it may fall.
const setBackBy = 500 * time.Millisecond

func newClock(start time.Time) *clock { return &clock{start: start.Round(0)} }

// setBack reports that the wall clock, which shows a time so long after the start,
// was set back since it last did.
func (c *clock) setBack(wall time.Time, elapsed time.Duration) bool {
	lag := elapsed - wall.Round(0).Sub(c.start)
	back := lag-c.lag > setBackBy
	if back || lag < c.lag {
		c.lag = lag
	}
	return back
}

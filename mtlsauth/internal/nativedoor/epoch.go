package nativedoor

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
type clock struct{ last time.Time }

// setBackBy is how far it may lag behind the monotonic clock.
const setBackBy = 500 * time.Millisecond

func newClock(now time.Time) *clock { return &clock{now} }

// setBack reports that the wall clock was set back since it last did.
func (c *clock) setBack(now time.Time) bool {
	wall, elapsed := now.Round(0).Sub(c.last.Round(0)), now.Sub(c.last)
	if elapsed-wall > setBackBy {
		c.last = now
		return true
	}
	if wall > elapsed { // set forward: from there on
		c.last = now
	}
	return false
}

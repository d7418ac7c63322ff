package kongdata

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// panicLog writes panics to the log, at most one in a minute.
type panicLog struct {
	log *slog.Logger

	mu     sync.Mutex
	last   time.Time
	panics int // since then
}

// guard calls f and makes a panic of it an error. A panic in a goroutine of
// this package would end the process, and Kong's requests with it.
func (p *panicLog) guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			p.report(r, debug.Stack())
			err = errPanic
		}
	}()
	return f()
}

func (p *panicLog) report(r any, stack []byte) {
	p.mu.Lock()
	p.panics++
	panics, now := p.panics, time.Now()
	say := p.last.IsZero() || now.Sub(p.last) >= remindEvery
	if say {
		p.last, p.panics = now, 0
	}
	p.mu.Unlock()
	if say {
		p.log.Error("panic while a source was asked", "err", fmt.Sprint(r), "panics", panics, "stack", string(stack))
	}
}

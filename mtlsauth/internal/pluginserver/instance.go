package pluginserver

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// instance is what an instance id means.
type instance struct {
	Instance
	started time.Time
	used    atomic.Int64 // when the last event came, in nanoseconds since the epoch
	closed  atomic.Bool  // Kong has replaced it
}

// instances are the instances that this process knows.
type instances struct {
	ids   *IDs
	log   *slog.Logger
	epoch time.Time // ages are measured from it: setting the clock ages none

	mu   sync.RWMutex
	byID map[int32]*instance
}

// start gives an instance of the configuration an id of its own.
func (t *instances) start(p Plugin, config []byte, now time.Time) (int32, *instance, error) {
	id, err := t.ids.Next()
	if err != nil {
		return 0, nil, err
	}
	in := &instance{Instance: startPlugin(p, config), started: now}
	in.used.Store(int64(now.Sub(t.epoch)))
	t.mu.Lock()
	t.byID[id] = in
	t.mu.Unlock()
	return id, in, nil
}

func (t *instances) get(id int32) *instance {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byID[id]
}

// use is get for an event, which keeps the instance from being given up.
func (t *instances) use(id int32, now time.Time) *instance {
	t.mu.RLock()
	defer t.mu.RUnlock()
	in := t.byID[id]
	if in != nil {
		in.used.Store(int64(now.Sub(t.epoch)))
	}
	return in
}

// sweep forgets the instances that no event has named for long.
func (t *instances) sweep(now time.Time) {
	var gone []*instance
	age := now.Sub(t.epoch)
	t.mu.Lock()
	keep := t.keep(age)
	for id, in := range t.byID {
		unused := age - time.Duration(in.used.Load())
		if unused > keep || in.closed.Load() && unused > closedFor {
			delete(t.byID, id)
			gone = append(gone, in)
		}
	}
	t.mu.Unlock()
	t.close(gone)
}

// keep is how long an unused instance is kept: less than unusedFor where
// there are over maxInstances. The caller has the lock.
func (t *instances) keep(age time.Duration) time.Duration {
	if len(t.byID) <= maxInstances {
		return unusedFor
	}
	unused := make([]time.Duration, 0, len(t.byID))
	for _, in := range t.byID {
		unused = append(unused, age-time.Duration(in.used.Load()))
	}
	slices.Sort(unused)
	return min(max(unused[maxInstances-1], closedFor), unusedFor)
}

// closeAll forgets them all.
func (t *instances) closeAll() {
	var gone []*instance
	t.mu.Lock()
	for id, in := range t.byID {
		delete(t.byID, id)
		gone = append(gone, in)
	}
	t.mu.Unlock()
	t.close(gone)
}

// close closes instances. The panic of one is logged: it happens where nothing
// else would catch it.
func (t *instances) close(gone []*instance) {
	for _, in := range gone {
		func() {
			defer func() {
				if r := recover(); r != nil {
					t.log.Error("closing an instance", "panic", r, "stack", string(debug.Stack()))
				}
			}()
			in.Close()
		}()
	}
}

// startPlugin turns a panic of Start into an instance whose events fail.
func startPlugin(p Plugin, config []byte) (in Instance) {
	defer func() {
		if r := recover(); r != nil {
			in = failed{fmt.Errorf("starting the instance: panic: %v\n%s", r, debug.Stack())}
		}
	}()
	return p.Start(config)
}

// failed is an instance that could not be started: each of its events fails.
type failed struct{ err error }

func (f failed) Handle(*Event) error { return f.err }
func (f failed) Close()              {}

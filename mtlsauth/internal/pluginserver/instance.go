package pluginserver

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// instance is what an instance id stands for.
type instance struct {
	Instance
	started time.Time
	used    atomic.Int64 // Unix nanoseconds of the last event
	closed  atomic.Bool  // Kong has replaced it
}

// instances are the instances that this process knows.
type instances struct {
	ids  *IDs
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
	in.used.Store(now.UnixNano())
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

// sweep forgets the instances that no event has named for long.
func (t *instances) sweep(now time.Time) {
	var gone []*instance
	t.mu.Lock()
	for id, in := range t.byID {
		unused := now.Sub(time.Unix(0, in.used.Load()))
		if unused > unusedFor || in.closed.Load() && unused > closedFor {
			delete(t.byID, id)
			gone = append(gone, in)
		}
	}
	t.mu.Unlock()
	for _, in := range gone {
		in.Close()
	}
}

// closeAll forgets them all.
func (t *instances) closeAll() {
	t.mu.Lock()
	all := t.byID
	t.byID = make(map[int32]*instance)
	t.mu.Unlock()
	for _, in := range all {
		in.Close()
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

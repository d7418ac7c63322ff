package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/bench/role"
)

const (
	soakConnections = 6
	// soakPause is between the requests of a connection: some two thousand a
	// second are enough to wear things out, and leave the machine room to be on
	// time with what changes meanwhile.
	soakPause = 2 * time.Millisecond
)

// soak mixes all kinds of requests while all that they depend on changes, checks
// every answer, and watches what the server holds. It fails at the first wrong
// answer, or when the server has grown.
func (b *bench) soak(lasts time.Duration) error {
	w, err := b.newWorld()
	if err != nil {
		return err
	}
	defer w.responder.Close()
	var (
		wg       sync.WaitGroup
		failed   = make(chan error, 1)
		stop     = make(chan struct{})
		requests atomic.Int64
	)
	fail := func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	for range soakConnections {
		wg.Go(func() {
			for !over(stop, soakPause) {
				if err := w.request(); err != nil {
					fail(err)
					return
				}
				requests.Add(1)
			}
		})
	}
	for _, change := range w.changes() {
		wg.Go(func() {
			for n := 0; !over(stop, change.every); n++ {
				if err := change.make(n); err != nil {
					fail(fmt.Errorf("%s: %w", change.what, err))
					return
				}
			}
		})
	}
	err = b.watch(w, lasts, &requests, failed)
	close(stop)
	wg.Wait()
	select {
	case late := <-failed:
		err = errors.Join(err, late)
	default:
	}
	if err != nil {
		return fmt.Errorf("%w\nthe server printed last:\n%s", err, tail(w.log, 4<<10))
	}
	b.printf("\nevery one of %d answers was right, and the server has not grown\n", requests.Load())
	return b.stop(0)
}

// over waits, and tells whether stop came first.
func over(stop <-chan struct{}, pause time.Duration) bool {
	select {
	case <-stop:
		return true
	case <-time.After(pause):
		return false
	}
}

// tail is the end of a file, for a message.
func tail(file string, most int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}

// watch prints what the server holds, and compares what it holds at the end with
// what it held after a third of the time.
func (b *bench) watch(w *world, lasts time.Duration, requests *atomic.Int64, failed <-chan error) error {
	const lines = 18
	started := time.Now()
	var settled, last held
	t := newTable(b.out, "after", "requests", "resident MiB", "live MiB", "goroutines", "descriptors")
	defer t.flush()
	for n := 1; n <= lines; n++ {
		select {
		case err := <-failed:
			return err
		case <-time.After(time.Until(started.Add(lasts * time.Duration(n) / lines))):
		}
		if err := w.server.Settle(); err != nil {
			return err
		}
		u, err := w.server.Usage()
		if err != nil {
			return err
		}
		last = held{u, w.pairs.Load(), w.instances.Load()}
		if n == lines/3 {
			settled = last
		}
		t.row(time.Since(started).Round(time.Second).String(), fmt.Sprint(requests.Load()),
			decimal(float64(u.Memory)/(1<<20)), decimal(float64(u.Heap)/(1<<20)), fmt.Sprint(u.Gos), fmt.Sprint(u.Handles))
	}
	return last.grownSince(settled)
}

// held is what the server holds, and how much of that it was given cause for.
type held struct {
	role.Usage
	pairs     int64 // of a policy and what was presented to it, each a decision to remember
	instances int64 // that were started
}

// What the server may hold more: of each decision what it is said to take, of
// each instance its configuration (Kong does not give back those of a plugin
// that was removed), and what goes up and down at any time.
const (
	growDecision = 2 << 10
	growInstance = 8 << 10
	growHeap     = 16 << 20
	growHandles  = 20
)

func (h held) grownSince(before held) error {
	var wrong []error
	most := int64(before.Heap) + growHeap + growDecision*(h.pairs-before.pairs) + growInstance*(h.instances-before.instances)
	if int64(h.Heap) > most {
		wrong = append(wrong, fmt.Errorf("%d bytes are live, and %d were; at most %d should be", h.Heap, before.Heap, most))
	}
	if h.Gos > before.Gos+growHandles {
		wrong = append(wrong, fmt.Errorf("%d goroutines, and there were %d", h.Gos, before.Gos))
	}
	if h.Handles > before.Handles+growHandles {
		wrong = append(wrong, fmt.Errorf("%d descriptors, and there were %d", h.Handles, before.Handles))
	}
	if wrong != nil {
		return fmt.Errorf("the server has grown: %w", errors.Join(wrong...))
	}
	return nil
}

// request makes one of the requests and checks its answer.
func (w *world) request() error {
	c := w.clients[rand.IntN(len(w.clients))]
	evidence, config, wants := c.next()
	r := evidence.Request()
	r.KeepLog = true
	begun := time.Now()
	w.client.Access(r, config)
	r.End()
	if err := wants.check(r, begun, time.Now()); err != nil {
		var log strings.Builder
		for _, line := range r.Log {
			fmt.Fprintf(&log, "\n[%v] %s", line.Level, line.Text)
		}
		return fmt.Errorf("%s: %w%s", c.what, err, log.String())
	}
	return nil
}

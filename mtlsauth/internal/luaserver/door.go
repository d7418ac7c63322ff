package luaserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/plugin"
)

// Exchange is one question and what follows until its answer; pluginserver has
// it.
type Exchange interface {
	// Question is the frame that began it, valid until Read.
	Question() []byte
	// Read returns the next frame, valid until the next Read.
	Read(deadline time.Time) ([]byte, error)
	// Write writes a frame, also while Read runs.
	Write(payload []byte) error
	// Draining is closed when the engine is about to end.
	Draining() <-chan struct{}
	// Peer is the connection.
	Peer() (*net.UnixConn, error)
}

// Options are what a door needs.
type Options struct {
	Plugin *plugin.Plugin
	// AnyPeer lets processes of other users ask: those whom the mode of the
	// socket's file lets in.
	AnyPeer bool
}

// Door answers Kong's workers. It is safe for concurrent use.
type Door struct {
	Options
	epochs   *epochs
	policies *policies

	used      chan struct{} // closed at the first question
	usedOnce  sync.Once
	decisions atomic.Uint64 // counts them
	deciding  atomic.Int64  // exchanges that run
	watching  atomic.Int64
}

const (
	// maxDeciding and maxWatching bound the exchanges that run at once: a worker of
	// Kong has one watch, and as many questions as requests with certificates that
	// it has not seen.
	maxDeciding = 4096
	maxWatching = 1024
)

// New returns a door. Its Run has to be called.
func New(o Options) *Door {
	return &Door{Options: o, epochs: newEpochs(), policies: newPolicies(o.Plugin), used: make(chan struct{})}
}

// Drop has everything dropped that workers keep.
func (d *Door) Drop() { d.epochs.next() }

// Serve answers a question. An error ends the connection: the worker takes what
// it has not got for a fault.
func (d *Door) Serve(e Exchange) error {
	if !d.AnyPeer {
		if err := permitted(e); err != nil {
			return err
		}
	}
	d.usedOnce.Do(func() { close(d.used) })
	q, err := parseQuestion(e.Question())
	if err != nil {
		return d.refuse(e, err)
	}
	switch q.Op {
	case "decide":
		return d.decide(e, q)
	case "watch":
		return d.watch(e, q)
	case "ping":
		return say(e, pong{Protocol, plugin.Version, d.epochs.now(), d.decisions.Load(), d.policies.len()})
	}
	return d.refuse(e, fmt.Errorf("reading a question: op %q: decide, watch and ping are allowed", q.Op))
}

// refuse tells the worker what is wrong with its frame.
func (d *Door) refuse(e Exchange, err error) error {
	if e := say(e, refusal{err.Error()}); e != nil {
		return errors.Join(err, e)
	}
	return err
}

func say(e Exchange, what any) error {
	payload, err := json.Marshal(what)
	if err != nil {
		return fmt.Errorf("answering: %w", err)
	}
	return e.Write(payload)
}

// hang is how long a watch waits for news: a worker that hears nothing for twice as
// long takes the engine for lost.
const hang = 2 * time.Second

// watch answers when the epoch is not the one that the worker knows.
func (d *Door) watch(e Exchange, q question) error {
	if d.watching.Add(1) > maxWatching {
		d.watching.Add(-1)
		return d.refuse(e, fmt.Errorf("over %d workers watch", maxWatching))
	}
	defer d.watching.Add(-1)
	if len(q.Listen) > 0 {
		d.Plugin.KongListens(q.Listen)
	}
	timer := time.NewTimer(hang)
	defer timer.Stop()
	for {
		now, over := d.epochs.watch()
		if now != q.Epoch {
			return say(e, epochIs{now})
		}
		select {
		case <-over:
		case <-timer.C:
			return say(e, epochIs{now})
		case <-e.Draining():
			return errEnding
		}
	}
}

// errEnding says why a watch is not answered: the next engine has another epoch.
var errEnding = errors.New("ending")

// lookEvery is how long a worker goes on by evidence that has been replaced, at
// the most.
const lookEvery = 50 * time.Millisecond

// Run looks after what workers keep, until ctx ends, once there is one.
func (d *Door) Run(ctx context.Context) {
	select {
	case <-d.used:
	case <-ctx.Done():
		return
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	start := time.Now()
	clock := newClock(start)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			now := time.Now()
			if back := clock.setBack(now, now.Sub(start)); d.Plugin.EvidenceChanged() || back {
				d.epochs.next()
			}
		}
	}
}

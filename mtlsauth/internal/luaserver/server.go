package luaserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"mtls-auth/mtlsauth/internal/config"
	"mtls-auth/mtlsauth/internal/engine"
	"mtls-auth/mtlsauth/internal/metrics"
)

// Exchange is one question and what follows until its answer, implemented by
// pluginserver.
type Exchange interface {
	// Question is the frame that began it, valid until Read.
	Question() []byte
	// Read returns the next frame, valid until the next Read.
	Read(deadline time.Time) ([]byte, error)
	// Write writes a frame, also while Read runs.
	Write(payload []byte) error
	// Draining is closed when the server is about to end.
	Draining() <-chan struct{}
	// Peer returns the connection.
	Peer() (*net.UnixConn, error)
}

// Options are what a server needs.
type Options struct {
	Engine *engine.Engine
	// Metrics counts; nil for nothing.
	Metrics *metrics.Metrics
	// AnyPeer lets processes of other users ask, as far as the mode of the socket's
	// file does.
	AnyPeer bool
	// LuaMode says that the Lua plugin has started this process.
	LuaMode bool
}

// Server answers Kong's workers. It is safe for concurrent use.
type Server struct {
	Options
	epochs   *epochs
	policies *policies
	chains   *chains

	used      chan struct{} // closed at the first question
	usedOnce  sync.Once
	decisions atomic.Uint64 // counts them
	deciding  atomic.Int64  // exchanges that run
	watching  atomic.Int64
}

const (
	// maxDeciding and maxWatching bound concurrent exchanges: a worker of Kong has
	// one watch, and a question for each request whose decision it has not cached.
	maxDeciding = 4096
	maxWatching = 1024
)

// New returns a server. Its Run has to be called.
func New(o Options) *Server {
	e := newEpochs()
	return &Server{Options: o, epochs: e, policies: newPolicies(o.Engine, maxPolicies, maxDefinitions), chains: newChains(e.process), used: make(chan struct{})}
}

// Drop invalidates all decisions that workers have cached.
func (s *Server) Drop() { s.epochs.next() }

// Serve answers a question. An error ends the connection, which the worker treats as
// a fault.
func (s *Server) Serve(e Exchange) error {
	if !s.AnyPeer {
		if err := permitted(e); err != nil {
			return err
		}
	}
	s.usedOnce.Do(func() { close(s.used) })
	q, err := parseQuestion(e.Question())
	if err != nil {
		return s.refuse(e, err)
	}
	switch q.Op {
	case "decide":
		return s.decide(e, q)
	case "watch":
		return s.watch(e, q)
	case "ping":
		return say(e, pong{
			Protocol: Protocol, Version: config.Version, PID: os.Getpid(), LuaMode: s.LuaMode,
			Epoch: s.epochs.now(), Decisions: s.decisions.Load(), Policies: s.policies.len(),
			Deciding: s.deciding.Load(), MaxDeciding: maxDeciding,
		})
	}
	return s.refuse(e, fmt.Errorf("reading a question: op %q: must be decide, watch or ping", q.Op))
}

// refuse tells the worker what is wrong with its frame.
func (s *Server) refuse(e Exchange, err error) error {
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

// hang is how long a watch waits for another epoch: a worker that gets no answer for
// twice as long treats the server as lost.
const hang = 2 * time.Second

// watch answers when the epoch is not the one that the worker knows. A worker that has
// gone meanwhile, as it does at each reload, is no error.
func (s *Server) watch(e Exchange, q question) error {
	if s.watching.Add(1) > maxWatching {
		s.watching.Add(-1)
		return s.refuse(e, fmt.Errorf("over %d workers watch", maxWatching))
	}
	defer s.watching.Add(-1)
	if err := s.Metrics.Counted(q.Counts); err != nil {
		return s.refuse(e, err)
	}
	if len(q.Listen) > 0 {
		s.Engine.KongListens(q.Listen)
	}
	timer := time.NewTimer(hang)
	defer timer.Stop()
	for {
		now, over := s.epochs.watch()
		if now != q.Epoch {
			return told(say(e, s.epochIs(now, q)))
		}
		select {
		case <-over:
		case <-timer.C:
			return told(say(e, s.epochIs(now, q)))
		case <-e.Draining():
			return errEnding
		}
	}
}

// epochIs is the answer to a watch, with what Kong's registry of metrics is to have.
func (s *Server) epochIs(epoch string, q question) epochIs {
	answer := epochIs{Epoch: epoch, Sessions: s.chains.session()}
	if q.Figures {
		answer.Figures = s.Metrics.Report(time.Now())
	}
	if q.Figures && q.Epoch == "" && answer.Figures == nil { // the worker's first question
		answer.Figures = s.Metrics.Describe()
	}
	return answer
}

// told returns the error of an answer to a watch, nil where the worker has closed its
// end.
func told(err error) error {
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return err
}

// errEnding says why a watch is not answered: the next server has another epoch.
var errEnding = errors.New("ending")

// checkEvery is for how long a worker uses decisions by evidence that has been
// replaced, at the most.
const checkEvery = 50 * time.Millisecond

// Run begins another epoch whenever evidence is replaced, until ctx ends. It starts
// with the first question.
func (s *Server) Run(ctx context.Context) {
	select {
	case <-s.used:
	case <-ctx.Done():
		return
	}
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	start := time.Now()
	clock := newClock(start)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			now := time.Now()
			if back := clock.setBack(now, now.Sub(start)); s.Engine.EvidenceChanged() || back {
				s.epochs.next()
			}
		}
	}
}

package rpc_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	pb "github.com/Kong/go-pdk/server/kong_plugin_protocol"

	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

func pass(p *peer, m *pb.RpcCall) bool { p.send("", returned(m.Sequence)); return true }

// Closed in the middle of an event: Kong forgets all instances of the plugin
// and begins the event again, without limit.
func TestClosedInTheMiddleRepeats(t *testing.T) {
	var mu sync.Mutex
	left := 5
	s := serveRaw(t, instances(func(p *peer, m *pb.RpcCall) bool {
		mu.Lock()
		defer mu.Unlock()
		if left == 0 {
			return pass(p, m)
		}
		if left--; left%2 == 1 {
			p.hex("12000000 6b6f") // half a frame is the same
		}
		return false
	}))
	k := newKong(t, s)
	if r := k.access(k.conf); r.Exit != nil {
		t.Errorf("exit %+v", r.Exit)
	}
	if got := k.Repeats(); got != 5 {
		t.Errorf("%d repeats, want 5", got)
	}
	if got, want := s.noted(), "start event1 start event2 start event3 start event4 start event5 start event6"; got != want {
		t.Errorf("calls %q, want %q", got, want)
	}
	if got := k.log.Count(errlog.Warn, "[kong] pb_rpc.lua:378 [p] closed"); got != 5 {
		t.Errorf("%d warnings, want 5", got)
	}
}

func TestRepeatsEndWithKong(t *testing.T) {
	s := serveRaw(t, instances(func(*peer, *pb.RpcCall) bool { return false }))
	k := newKong(t, s)
	done := make(chan *rpc.Request)
	go func() { done <- k.access(k.conf) }()
	for k.Repeats() < 200 {
		time.Sleep(time.Millisecond)
	}
	select {
	case <-done:
		t.Fatal("the request ended by itself")
	default:
	}
	k.Close()
	want500(t, <-done)
}

// A reset is for every instance of the plugin, in every worker.
func TestClosedForgetsAllInstances(t *testing.T) {
	closing := false
	var mu sync.Mutex
	s := serveRaw(t, instances(func(p *peer, m *pb.RpcCall) bool {
		mu.Lock()
		defer mu.Unlock()
		if closing {
			closing = false
			return false
		}
		return pass(p, m)
	}))
	k := newKong(t, s)
	other := k.load(t, "b")
	k.access(k.conf)
	k.access(other)
	mu.Lock()
	closing = true
	mu.Unlock()
	k.access(k.conf)
	k.access(other)
	if got, want := s.noted(), "start event1 start event2 event1 start event3 start event4"; got != want {
		t.Errorf("calls %q, want %q", got, want)
	}
}

// Closing during StartInstance is an error of that request and no loop.
func TestClosedInStartInstance(t *testing.T) {
	s := serveRaw(t, func(p *peer) { p.call() })
	k := newKong(t, s)
	want500(t, k.access(k.conf))
	if k.Repeats() != 0 || k.Starts() != 1 {
		t.Errorf("%d repeats, %d starts", k.Repeats(), k.Starts())
	}
	k.wantLog(t, errlog.Error, "plugin.lua:283 [p] starting instance: closed")
}

// The other requests of a worker wait for the one that starts the instance.
func TestStartInstanceOnceAWorker(t *testing.T) {
	s := serveRaw(t, func(p *peer) {
		for {
			m, ok := p.call()
			if !ok {
				return
			}
			if m.GetCmdStartInstance() != nil {
				p.note("start")
				time.Sleep(100 * time.Millisecond)
				p.started(m, 7)
			} else {
				pass(p, m)
			}
		}
	})
	k := newKong(t, s, func(o *rpc.Options) { o.Workers = 2 })
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if r := k.access(k.conf); r.Exit != nil {
				t.Errorf("exit %+v", r.Exit)
			}
		})
	}
	wg.Wait()
	if got := s.noted(); got != "start start" {
		t.Errorf("calls %q, want one start a worker", got)
	}
}

func TestWaitersGiveUp(t *testing.T) {
	s := serveRaw(t, func(p *peer) {
		for {
			m, ok := p.call()
			if !ok {
				return
			}
			if m.GetCmdStartInstance() != nil {
				time.Sleep(300 * time.Millisecond)
				p.started(m, 7)
			} else {
				pass(p, m)
			}
		}
	})
	k := newKong(t, s, func(o *rpc.Options) { o.PollInterval = 10 * time.Millisecond; o.ClaimTimeout = 100 * time.Millisecond })
	first := make(chan *rpc.Request)
	go func() { first <- k.access(k.conf) }()
	for k.Starts() == 0 {
		time.Sleep(time.Millisecond)
	}
	want500(t, k.access(k.conf))
	k.wantLog(t, errlog.Error, "pluginserver error: Could not claim instance_id for p (key: a)")
	if r := <-first; r.Exit != nil {
		t.Errorf("the first request: %+v", r.Exit)
	}
}

// A new configuration under the same plugin id, be it the same text: start the
// new, close the old, then the event.
func TestReplacedConfiguration(t *testing.T) {
	var starts []map[string]any
	s := serveRaw(t, func(p *peer) {
		id := int32(0)
		for {
			m, ok := p.call()
			if !ok {
				return
			}
			switch {
			case m.GetCmdStartInstance() != nil:
				var conf map[string]any
				if err := json.Unmarshal(m.GetCmdStartInstance().Config, &conf); err != nil {
					t.Error(err)
				}
				starts = append(starts, conf)
				id++
				p.note("start")
				p.started(m, id)
			case m.GetCmdCloseInstance() != nil:
				p.note("close" + string(rune('0'+m.GetCmdCloseInstance().InstanceId)))
				p.send(returned(m.Sequence))
			default:
				p.note("event" + string(rune('0'+m.GetCmdHandleEvent().InstanceId)))
				pass(p, m)
			}
		}
	})
	k := newKong(t, s)
	k.access(k.conf)
	k.access(k.conf)
	again := k.load(t, "a")
	k.access(again)
	k.access(again)
	if got, want := s.noted(), "start event1 event1 start close1 event2 event2"; got != want {
		t.Errorf("calls %q, want %q", got, want)
	}
	if s.connections() != 1 {
		t.Errorf("%d connections, want 1", s.connections())
	}
	if starts[0]["__seq__"] == starts[1]["__seq__"] {
		t.Errorf("__seq__ repeats: %v", starts)
	}
}

// A StartInstance answered with the wrong sequence throws past the claim.
func TestClaimLeftBehind(t *testing.T) {
	wrong := true
	s := serveRaw(t, func(p *peer) {
		for {
			m, ok := p.call()
			if !ok {
				return
			}
			if wrong {
				wrong = false
				p.send(returned(99))
			} else if m.GetCmdStartInstance() != nil {
				p.started(m, 1)
			} else {
				pass(p, m)
			}
		}
	})
	k := newKong(t, s, func(o *rpc.Options) { o.ClaimTimeout = 20 * time.Millisecond })
	for range 2 {
		want500(t, k.access(k.conf))
	}
	if r := k.access(k.conf); r.Exit != nil {
		t.Errorf("third request: %+v", r.Exit)
	}
	if lines := k.log.Lines(); !strings.Contains(lines[len(lines)-1].Text, "Could not claim") {
		t.Errorf("last line %q", lines[len(lines)-1].Text)
	}
}

package rpc

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	pb "github.com/Kong/go-pdk/server/kong_plugin_protocol"
	"google.golang.org/protobuf/proto"

	"mtls-auth/mtlsauth/internal/testing/errlog"
)

// worker is what one worker process of Kong knows of a plugin server.
type worker struct {
	client *Client
	pool   pool

	mu      sync.Mutex
	running map[string]*instance // by plugin id
	msgID   int64
}

// instance is an entry of Kong's running_instances. Until started it is the
// claim of the request that is starting it.
type instance struct {
	id      int32
	started bool
	named   bool // it has its plugin's name, by which a reset finds it
	seq     int64
}

// thrown is an error that Lua throws rather than returns: it unwinds the whole
// event, past the code that would have tidied up.
type thrown struct{ at, text string }

func (e *thrown) Error() string { return e.at + ": " + e.text }

// errExit unwinds an event in which kong.response.exit was called.
var errExit = errors.New("exit")

// handle is pb_rpc.lua's handle_event.
func (w *worker) handle(req *Request, conf *Config, mine *loaded, phase string) {
	name := w.client.opts.Plugin
	for {
		id, err := w.instanceID(req, conf, mine)
		if err == nil {
			_, err = w.call(req, &pb.RpcCall{Call: &pb.RpcCall_CmdHandleEvent{
				CmdHandleEvent: &pb.CmdHandleEvent{InstanceId: id, EventName: phase},
			}}, true)
		}
		var t *thrown
		switch {
		case err == nil, errors.Is(err, errExit):
			return
		case errors.As(err, &t):
			req.Logf(errlog.Error, "[kong] init.lua:406 [%s] %s", name, err)
			req.fail()
			return
		case repeats(err) && !w.client.closed.Load():
			w.client.reset()
			req.Logf(errlog.Warn, "[kong] pb_rpc.lua:378 [%s] %s", name, err)
		default:
			req.Logf(errlog.Error, "[kong] pb_rpc.lua:382 [%s] pluginserver error: %s", name, err)
			req.fail()
			return
		}
	}
}

// repeats says whether Kong begin an event again after this error. It goes by
// the error's words.
func repeats(err error) bool {
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "no plugin instance") || strings.Contains(text, "closed")
}

// reset forgets every instance of the plugin; other workers hear of it by an
// event, so it is all of theirs too. One that is being started has no name yet
// and stays.
func (c *Client) reset() {
	for _, w := range c.workers {
		w.mu.Lock()
		for id, i := range w.running {
			if i.named {
				delete(w.running, id)
			}
		}
		w.mu.Unlock()
	}
}

// instanceID is plugin.lua's get_instance_id: the id of the instance for this
// configuration, started at its first use.
func (w *worker) instanceID(req *Request, conf *Config, mine *loaded) (int32, error) {
	o := &w.client.opts
	w.mu.Lock()
	defer w.mu.Unlock()
	i := w.running[conf.pluginID]
	steps := int(o.ClaimTimeout / pollInterval)
	for n := 0; i != nil && !i.started; {
		w.mu.Unlock()
		time.Sleep(pollInterval)
		w.mu.Lock()
		if n++; n > steps {
			delete(w.running, conf.pluginID)
			//lint:ignore ST1005 Kong's own words, which tests and operators look for in the log
			return 0, fmt.Errorf("Could not claim instance_id for %s (key: %s)", o.Plugin, conf.pluginID)
		}
		i = w.running[conf.pluginID]
	}
	if i != nil && i.seq == mine.seq {
		return i.id, nil
	}

	old, replaces := int32(0), i != nil
	if replaces {
		old, i.started = i.id, false
	} else {
		i = &instance{seq: mine.seq}
		w.running[conf.pluginID] = i
	}
	w.client.starts.Add(1)
	w.mu.Unlock()
	ret, err := w.call(req, &pb.RpcCall{Call: &pb.RpcCall_CmdStartInstance{
		CmdStartInstance: &pb.CmdStartInstance{Name: o.Plugin, Config: mine.json},
	}}, false)
	w.mu.Lock()
	var t *thrown
	if errors.As(err, &t) {
		return 0, err // thrown past the claim, which stays until a waiter gives up
	}
	if err != nil {
		req.Logf(errlog.Error, "[kong] plugin.lua:283 [%s] starting instance: %s", o.Plugin, err)
		delete(w.running, conf.pluginID)
		return 0, &thrown{at: "plugin.lua:286", text: err.Error()}
	}
	status := ret.GetInstanceStatus()
	if status == nil {
		return 0, &thrown{at: "pb_rpc.lua:340", text: "attempt to index field 'instance_status' (a nil value)"}
	}
	i.id, i.seq, i.named, i.started = status.InstanceId, mine.seq, true, true
	if replaces {
		w.mu.Unlock()
		// Kong does not look at what came of it.
		_, _ = w.call(req, &pb.RpcCall{Call: &pb.RpcCall_CmdCloseInstance{
			CmdCloseInstance: &pb.CmdCloseInstance{InstanceId: old},
		}}, false)
		w.mu.Lock()
	}
	return status.InstanceId, nil
}

// call is pb_rpc.lua's Rpc:call: one command and its RpcReturn, and in between,
// for an event, the PDK calls of the plugin.
func (w *worker) call(req *Request, m *pb.RpcCall, event bool) (*pb.RpcReturn, error) {
	o := &w.client.opts
	c := w.pool.get()
	if c == nil {
		var err error
		if c, err = dial(o.Socket, o.ReadTimeout, o.Log); err != nil {
			req.Logf(errlog.Error, "[kong] pb_rpc.lua:273 [%s] trying to connect: %s", o.Plugin, err)
			return nil, err
		}
	}
	m.Sequence = w.sequence()
	text, err := proto.Marshal(m)
	if err == nil {
		err = c.writeFrame(text)
	}
	if err == nil && event {
		err = serve(req, c, o)
	}
	var frame []byte
	if err == nil {
		frame, err = c.readFrame()
	}
	if err != nil {
		// Nothing closes the cosocket before the request ends.
		req.held = append(req.held, c)
		return nil, err
	}
	w.pool.put(c) // before the answer is looked at: a wrong one does not cost the connection
	ret := new(pb.RpcReturn)
	if err := proto.Unmarshal(frame, ret); err != nil || ret.Sequence != m.Sequence {
		return nil, &thrown{at: "pb_rpc.lua:325", text: "assertion failed!"}
	}
	return ret, nil
}

// sequence counts as Kong does: the first of a worker is 2.
func (w *worker) sequence() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.msgID++
	return w.msgID + 1
}

// serve answers the plugin's PDK calls until the end of the event.
func serve(req *Request, c *conn, o *Options) error {
	for {
		method, err := c.readFrame()
		if err != nil || len(method) == 0 {
			return err
		}
		args, err := c.readFrame()
		if err != nil {
			return err
		}
		m, ok := methods[string(method)]
		if !ok {
			return fmt.Errorf("method %q not found", method)
		}
		reply, err := m(&call{Request: req, o: o, args: args})
		if err != nil {
			return err
		}
		if err := c.writeFrame(reply); err != nil {
			return err
		}
	}
}

package pluginserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/Kong/go-pdk/server/kong_plugin_protocol"
	"google.golang.org/protobuf/proto"
)

// conn is one connection of a Kong worker. It carries one call at a time.
type conn struct {
	net.Conn
	server *Server
	state  atomic.Int32

	reader  *bufio.Reader
	frame   []byte // the call that is read
	replies []byte // what Ask returned
	out     []byte // statements that were not written yet
	event   Event  // the one that runs
}

// keptBuffer is how much memory a connection between events keeps for the next one:
// enough for a certificate and its chain.
const keptBuffer = 16 << 10

// The states of a connection. Only one without a call is hung up on; a busy one sees
// it at the end of its call.
const (
	opened int32 = iota // no call has come yet
	idle
	busy
	hungUp
)

func newConn(s *Server, c net.Conn) *conn {
	return &conn{Conn: c, server: s, reader: bufio.NewReaderSize(c, 4096)}
}

// linger is how long a connection that was hung up on is still read. nginx
// closes an idle connection within milliseconds of its other side's end.
const linger = 500 * time.Millisecond

// hangUp ends an idle connection from our side. What Kong may have sent at the
// same moment is still read (see serve), so that it meets an orderly end of
// the stream, on which it asks another server, and not a reset, which is a 500.
//
// One that Kong has just opened is hung up on only at the end of the server: its first call
// may be StartInstance, which Kong does not repeat.
func (c *conn) hangUp() {
	if !c.state.CompareAndSwap(idle, hungUp) && !(c.server.draining.Load() && c.state.CompareAndSwap(opened, hungUp)) {
		return
	}
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	c.SetReadDeadline(time.Now().Add(linger))
}

// serve answers calls until Kong closes the connection, sends bytes that cannot be read as a call,
// names an unknown instance, or the server drains.
func (c *conn) serve() {
	defer c.Close()
	for {
		var err error
		c.frame, err = appendFrame(c.frame[:0], c.reader)
		if err != nil {
			if err != io.EOF && c.state.Load() != hungUp && !errors.Is(err, net.ErrClosed) {
				c.server.options.Log.Info("reading a call of Kong", "error", err)
			}
			return
		}
		if !c.state.CompareAndSwap(opened, busy) && !c.state.CompareAndSwap(idle, busy) {
			c.discardRest(linger)
			return
		}
		err = c.call()
		if errors.Is(err, errExited) {
			c.discardRest(kongsTimeout)
			return
		}
		if err != nil {
			level := slog.LevelWarn
			if c.event.broken || errors.Is(err, errUnknownInstance) || c.server.draining.Load() {
				level = slog.LevelInfo // Kong's own doing, after a restart, and at the end
			}
			c.server.options.Log.Log(context.Background(), level, "closing a connection of Kong", "error", err)
			return
		}
		for _, buffer := range []*[]byte{&c.frame, &c.replies, &c.out} {
			if cap(*buffer) > keptBuffer {
				*buffer = nil
			}
		}
		ends := (c.server.draining.Load() || c.server.replaced.Load()) && !c.asked()
		c.state.Store(idle)
		if ends {
			c.hangUp()
		}
	}
}

// asked reports whether the next call has come already: Kong takes a connection again as soon
// as it has its answer, and must have that call's too.
func (c *conn) asked() bool {
	if c.reader.Buffered() > 0 {
		return true
	}
	socket, ok := c.Conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	waiting := 0
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		waiting, _, _ = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	return err == nil && waiting > 0
}

// errUnknownInstance says that Kong named an instance of another process, or
// one that was given up. Closing the connection makes it start its own again.
var errUnknownInstance = errors.New("unknown instance")

// errExited says that Kong will close the connection, having its response.
var errExited = errors.New("exited")

// kongsTimeout is how long Kong waits for a plugin server by default.
const kongsTimeout = time.Minute

// discardRest reads until Kong closes, so that the end is orderly on its side:
// closing with unread bytes would reset the connection under its feet.
func (c *conn) discardRest(most time.Duration) {
	c.SetReadDeadline(time.Now().Add(most))
	io.Copy(io.Discard, c.reader)
}

// call carries out the call in c.frame. An error closes the connection.
func (c *conn) call() error {
	if c.server.options.HandleJSON != nil && isJSON(c.frame) {
		return c.handleJSON()
	}
	var call kong_plugin_protocol.RpcCall
	if err := proto.Unmarshal(c.frame, &call); err != nil {
		return fmt.Errorf("reading a call: %w", err)
	}
	answer := &kong_plugin_protocol.RpcReturn{Sequence: call.Sequence}
	instances := &c.server.instances
	switch cmd := call.Call.(type) {
	case *kong_plugin_protocol.RpcCall_CmdHandleEvent:
		return c.handle(call.Sequence, cmd.CmdHandleEvent.GetInstanceId(), cmd.CmdHandleEvent.GetEventName())
	case *kong_plugin_protocol.RpcCall_CmdStartInstance:
		name := cmd.CmdStartInstance.GetName()
		if name != c.server.options.Info.Name {
			return fmt.Errorf("starting an instance of plugin %q: this server serves %q", name, c.server.options.Info.Name)
		}
		id, in, err := instances.start(c.server.options.Plugin, cmd.CmdStartInstance.GetConfig(), time.Now())
		if err != nil {
			return fmt.Errorf("starting an instance: %w", err)
		}
		answer.Return = c.status(id, in)
	case *kong_plugin_protocol.RpcCall_CmdCloseInstance:
		id := cmd.CmdCloseInstance.GetInstanceId()
		in := instances.get(id)
		if in == nil {
			return fmt.Errorf("closing instance %d: %w", id, errUnknownInstance)
		}
		in.closed.Store(true)
		answer.Return = c.status(id, in)
	case *kong_plugin_protocol.RpcCall_CmdGetInstanceStatus:
		id := cmd.CmdGetInstanceStatus.GetInstanceId()
		in := instances.get(id)
		if in == nil {
			return fmt.Errorf("asking for instance %d: %w", id, errUnknownInstance)
		}
		answer.Return = c.status(id, in)
	case *kong_plugin_protocol.RpcCall_CmdGetPluginNames:
		answer.Return = &kong_plugin_protocol.RpcReturn_PluginNames{
			PluginNames: &kong_plugin_protocol.PluginNames{Names: []string{c.server.options.Info.Name}}}
	case *kong_plugin_protocol.RpcCall_CmdGetPluginInfo:
		answer.Return = &kong_plugin_protocol.RpcReturn_PluginInfo{PluginInfo: c.server.options.Info}
	default:
		return errors.New("reading a call: it names no command")
	}
	frame, err := appendMessage(nil, answer)
	if err != nil {
		return err
	}
	_, err = c.Write(frame)
	return err
}

func (c *conn) status(id int32, in *instance) *kong_plugin_protocol.RpcReturn_InstanceStatus {
	return &kong_plugin_protocol.RpcReturn_InstanceStatus{
		InstanceStatus: &kong_plugin_protocol.InstanceStatus{
			Name:       c.server.options.Info.Name,
			InstanceId: id,
			StartedAt:  in.started.Unix(),
		}}
}

// handle runs one event to its end.
func (c *conn) handle(sequence int64, id int32, phase string) error {
	now := time.Now()
	in := c.server.instances.use(id, now)
	if in == nil {
		return fmt.Errorf("handling an event of instance %d: %w", id, errUnknownInstance)
	}
	e := &c.event
	*e = Event{phase: phase, time: now, conn: c}
	c.out = c.out[:0]
	err := run(in.Instance, e)
	if e.broken {
		return err
	}
	if err == nil && !e.exits {
		err = e.unasked()
	}
	if err != nil {
		e.fault(err)
		if e.broken {
			return err
		}
	}
	if err := e.end(sequence); err != nil && !e.exits {
		return err
	}
	if e.exits {
		return errExited
	}
	return nil
}

// run calls the handler and turns its panic and its silence into an error.
func run(in Instance, e *Event) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	if err := in.Handle(e); err != nil {
		return err
	}
	if !e.answered {
		return errors.New("the handler gave no answer")
	}
	return nil
}

// appendMessage appends the frame of a message.
func appendMessage(b []byte, m proto.Message) ([]byte, error) {
	start := len(b)
	b, err := proto.MarshalOptions{}.MarshalAppend(append(b, 0, 0, 0, 0), m)
	if err != nil {
		return nil, fmt.Errorf("answering a call: %w", err)
	}
	putLength(b[start:])
	return b, nil
}

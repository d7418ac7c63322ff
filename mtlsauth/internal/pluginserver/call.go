package pluginserver

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/Kong/go-pdk/server/kong_plugin_protocol"
	"google.golang.org/protobuf/proto"
)

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

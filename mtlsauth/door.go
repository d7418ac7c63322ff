package mtlsauth

import (
	"fmt"

	pdk "github.com/Kong/go-pdk"
	"github.com/Kong/go-pdk/server/kong_plugin_protocol"
	"google.golang.org/protobuf/proto"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/engine"
	"mtls-auth/mtlsauth/internal/konglog"
	"mtls-auth/mtlsauth/internal/pluginserver"
)

// door is what the plugin needs of Kong, over the event's connection.
type door struct{ *pluginserver.Event }

var _ engine.Request = door{}

// Log implements engine.Request: the line goes with the event.
func (d door) Log(line konglog.Line) {
	calls, err := pluginserver.Record(func(kong *pdk.PDK) error { return write(kong, line) })
	if err == nil {
		d.Tell(calls)
	}
}

// SessionReused implements engine.Request.
func (d door) SessionReused() string {
	replies, err := d.Ask(askReused)
	if err != nil {
		return ""
	}
	value, _ := stringField(replies[0], stringV)
	return string(value)
}

// LoadConsumers implements engine.Request, in one write. It takes as long as Kong
// takes: busy with these, Kong would look at no answer of ours.
func (d door) LoadConsumers(queries []consumer.Query) ([]*consumer.Consumer, error) {
	calls, err := pluginserver.Record(func(kong *pdk.PDK) error {
		for _, q := range queries {
			if _, err := kong.Client.LoadConsumer(q.Value, q.By == consumer.ByUsername); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	replies, err := d.Ask(calls)
	if err != nil {
		return nil, err
	}
	found := make([]*consumer.Consumer, len(replies))
	for i, reply := range replies {
		if len(reply) == 0 {
			continue // nobody
		}
		var c kong_plugin_protocol.Consumer
		if err := proto.Unmarshal(reply, &c); err != nil {
			return nil, fmt.Errorf("reading a consumer: %w", err)
		}
		found[i] = &consumer.Consumer{ID: c.Id, Username: c.Username, CustomID: c.CustomId, Tags: c.Tags, CreatedAt: c.CreatedAt}
	}
	return found, nil
}

// fault is the answer to what went wrong in an event: its lines in Kong's log,
// and the request's end.
func fault(engine *engine.Engine) func(error) pluginserver.Calls {
	a := authn.Deny(authn.Internal, nil).Answer()
	return func(err error) pluginserver.Calls {
		calls, err := exitCalls(a, false, engine.Fault(err)...)
		if err != nil { // a line cannot be sent
			calls, _ = exitCalls(a, false)
		}
		return calls
	}
}

func write(kong *pdk.PDK, line konglog.Line) error {
	switch line.Severity() {
	case "err":
		return kong.Log.Err(line.Text)
	case "warn":
		return kong.Log.Warn(line.Text)
	case "notice":
		return kong.Log.Notice(line.Text)
	case "info":
		return kong.Log.Info(line.Text)
	}
	return kong.Log.Debug(line.Text)
}

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
	"mtls-auth/mtlsauth/internal/metrics"
	"mtls-auth/mtlsauth/internal/pluginserver"
)

// request is what the engine needs of Kong, over the event's connection.
type request struct{ *pluginserver.Event }

var _ engine.Request = request{}

// Log implements engine.Request: the line goes with the event.
func (r request) Log(line konglog.Line) {
	calls, err := pluginserver.Record(func(kong *pdk.PDK) error { return write(kong, line) })
	if err == nil {
		r.Tell(calls)
	}
}

// SessionReused implements engine.Request.
func (r request) SessionReused() string {
	replies, err := r.Ask(askReused)
	if err != nil {
		return ""
	}
	if replies, err = answered(replies); err != nil {
		return ""
	}
	value, _ := stringField(replies[0], stringV)
	return string(value)
}

// LoadConsumers implements engine.Loader, in one write. It takes as long as Kong
// takes: busy with these, Kong would read no answer of ours.
func (r request) LoadConsumers(queries []consumer.Query) ([]*consumer.Consumer, error) {
	calls, err := pluginserver.Record(func(kong *pdk.PDK) error {
		for _, q := range queries {
			if _, err := kong.Client.LoadConsumer(q.Value, q.By == consumer.ByUsername); err != nil {
				return err
			}
		}
		kong.Nginx.GetSubsystem()
		return nil
	})
	if err != nil {
		return nil, err
	}
	replies, err := r.Ask(calls)
	if err != nil {
		return nil, err
	}
	if replies, err = answered(replies); err != nil {
		return nil, err
	}
	found := make([]*consumer.Consumer, len(replies))
	for i, reply := range replies {
		if len(reply) == 0 {
			continue // no consumer
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
func fault(engine *engine.Engine, m *metrics.Metrics) func(*pluginserver.Event, error) pluginserver.Calls {
	d := authn.Deny(authn.Internal, nil)
	a, record := d.Answer(), tellRecord(d)
	return func(e *pluginserver.Event, err error) pluginserver.Calls {
		lines := engine.Fault(err)
		m.Request(engine.Plugin(), d)
		grpc, err := isGRPC(e)
		grpc = grpc && err == nil
		calls, err := exitCalls(a, grpc, lines...)
		if err != nil { // a line cannot be sent
			calls, _ = exitCalls(a, grpc)
		}
		return record.Before(calls)
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

package rpc

import (
	"fmt"
	"net/http"
	"strings"

	pb "github.com/Kong/go-pdk/server/kong_plugin_protocol"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"mtls-auth/mtlsauth/internal/testing/errlog"
)

// call is one PDK call of a plugin.
type call struct {
	*Request
	o    *Options
	args []byte
}

// method answers a PDK call: the reply's frame, or an error that ends the event.
type method func(c *call) ([]byte, error)

// methods are those PDK methods of pluginsocket.proto in Kong 3.9 that plugins here use.
// Any other ends the event, as in Kong one that it does not have.
var methods = map[string]method{
	"kong.ctx.shared.get":      withString(func(c *call, k string) ([]byte, error) { return value(c.Shared[k], c.o.NullValue) }),
	"kong.ctx.shared.set":      withKV(func(c *call, k string, v any) error { set(c.Shared, k, v); return nil }),
	"kong.nginx.set_ctx":       withKV(func(c *call, k string, v any) error { set(c.Ctx, k, v); return nil }),
	"kong.nginx.get_var":       withString(getVar),
	"kong.nginx.get_subsystem": func(*call) ([]byte, error) { return text("http") },

	"kong.log.alert":  log(errlog.Alert),
	"kong.log.crit":   log(errlog.Crit),
	"kong.log.err":    log(errlog.Error),
	"kong.log.warn":   log(errlog.Warn),
	"kong.log.notice": log(errlog.Notice),
	"kong.log.info":   log(errlog.Info),
	"kong.log.debug":  log(errlog.Debug),
	"kong.log.set_serialize_value": withKV(func(c *call, k string, v any) error {
		c.SetSerializeValue(k, v)
		return nil
	}),

	"kong.client.authenticate":   authenticate,
	"kong.client.get_credential": getCredential,
	"kong.client.load_consumer":  loadConsumer,
	"kong.client.get_ip":         func(c *call) ([]byte, error) { return text(c.ClientIP) },
	"kong.ip.is_trusted": withString(func(c *call, ip string) ([]byte, error) {
		return proto.Marshal(&pb.Bool{V: c.o.Trusted != nil && c.o.Trusted(ip)})
	}),

	"kong.request.get_headers": getHeaders,
	"kong.service.request.set_header": withKV(func(c *call, name string, v any) error {
		return setHeaders(c.Header, map[string]any{name: v})
	}),
	"kong.service.request.set_headers": func(c *call) ([]byte, error) {
		var m structpb.Struct
		if err := c.decode(&m); err != nil {
			return nil, err
		}
		return nil, setHeaders(c.Header, fromStruct(&m))
	},
	"kong.response.exit": exit,
}

func getVar(c *call, name string) ([]byte, error) {
	if c.Var == nil {
		return nil, nil
	}
	return text(c.Var(name))
}

// set puts a value into a table of Lua's.
func set(m map[string]any, k string, v any) {
	if v == nil {
		delete(m, k)
	} else {
		m[k] = v
	}
}

// decode is pb.decode under an assert: what is no such message throws.
func (c *call) decode(m proto.Message) error {
	if err := proto.Unmarshal(c.args, m); err != nil {
		return &thrown{at: "pb_rpc.lua:228", text: err.Error()}
	}
	return nil
}

func withString(f func(*call, string) ([]byte, error)) method {
	return func(c *call) ([]byte, error) {
		var m pb.String
		if err := c.decode(&m); err != nil {
			return nil, err
		}
		return f(c, m.V)
	}
}

func withKV(f func(*call, string, any) error) method {
	return func(c *call) ([]byte, error) {
		var m pb.KV
		if err := c.decode(&m); err != nil {
			return nil, err
		}
		return nil, f(c, m.K, fromValue(m.V))
	}
}

// text encodes a String; the empty one is an empty frame.
func text(s string) ([]byte, error) { return proto.Marshal(&pb.String{V: s}) }

func log(level errlog.Level) method {
	return func(c *call) ([]byte, error) {
		var m structpb.ListValue
		if err := c.decode(&m); err != nil {
			return nil, err
		}
		line := ""
		for _, v := range m.Values {
			line += fmt.Sprint(fromValue(v))
		}
		c.Logf(level, "[kong] pb_rpc.lua:233 %s", line)
		return nil, nil
	}
}

// setHeaders sets what goes to the upstream. An empty list clears a header, and an empty
// text becomes a space (kong.pdk.private.checks).
func setHeaders(h http.Header, all map[string]any) error {
	for name, v := range all {
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
			if _, table := v.(map[string]any); table { // with no list part
				list = nil
			}
		}
		h.Del(name)
		for _, v := range list {
			s, ok := v.(string)
			if !ok {
				return throwf("invalid header value for %q: got %T, expected string", name, v)
			}
			if s == "" {
				s = " "
			}
			h.Add(name, s)
		}
	}
	return nil
}

// getHeaders answers with lower-case names, a list where a name has several values, and at
// most as many values as were asked for.
func getHeaders(c *call) ([]byte, error) {
	var m pb.Int
	if err := c.decode(&m); err != nil {
		return nil, err
	}
	if m.V < 1 || m.V > 1000 {
		return nil, throwf("max_headers must be >= 1 and <= 1000")
	}
	left := int(m.V)
	out := map[string]any{}
	for name, values := range c.Header {
		values = values[:min(len(values), left)]
		left -= len(values)
		switch len(values) {
		case 0:
		case 1:
			out[strings.ToLower(name)] = values[0]
		default:
			list := make([]any, len(values))
			for i, v := range values {
				list[i] = v
			}
			out[strings.ToLower(name)] = list
		}
	}
	headers, err := structpb.NewStruct(out)
	if err != nil {
		return nil, throwf("%s", err)
	}
	return proto.Marshal(headers)
}

// exit is kong.response.exit: the event ends here, without a reply.
func exit(c *call) ([]byte, error) {
	var m pb.ExitArgs
	if err := c.decode(&m); err != nil {
		return nil, err
	}
	if m.Status < 100 || m.Status > 599 {
		return nil, throwf("code must be a number between 100 and 599")
	}
	out := &Exit{Status: int(m.Status), Body: m.Body, Header: http.Header{}}
	if err := setHeaders(out.Header, fromStruct(m.Headers)); err != nil {
		return nil, err
	}
	c.Exit = out
	return nil, errExit
}

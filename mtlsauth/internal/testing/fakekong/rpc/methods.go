package rpc

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	pb "github.com/Kong/go-pdk/server/kong_plugin_protocol"

	"mtls-auth/mtlsauth/internal/testing/errlog"
)

// call is one PDK call of a plugin.
type call struct {
	*Request
	o    *Options
	args []byte
}

// method answers a PDK call: the reply's frame, or an error that ends the
// event.
type method func(c *call) ([]byte, error)

// methods are the PDK methods of pluginsocket.proto in Kong 3.9.
var methods = map[string]method{
	"kong.ctx.shared.get": withString(func(c *call, k string) ([]byte, error) { return value(c.Shared[k], c.o.NullValue) }),
	"kong.ctx.shared.set": withKV(func(c *call, k string, v any) error {
		c.Shared = set(c.Shared, k, v)
		return nil
	}),

	"kong.nginx.get_ctx": withString(func(c *call, k string) ([]byte, error) { return value(c.Ctx[k], c.o.NullValue) }),
	"kong.nginx.set_ctx": withKV(func(c *call, k string, v any) error {
		c.Ctx = set(c.Ctx, k, v)
		return nil
	}),
	"kong.nginx.get_var": withString(func(c *call, name string) ([]byte, error) {
		if c.Var == nil {
			return nil, nil
		}
		return text(c.Var(name))
	}),
	"kong.nginx.get_subsystem": answer(func(c *call) string { return "http" }),

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
	"kong.client.get_consumer":   fromCtx("authenticated_consumer", consumer),
	"kong.client.get_credential": fromCtx("authenticated_credential", credential),
	"kong.client.load_consumer":  loadConsumer,
	"kong.client.get_ip":         answer(func(c *call) string { return c.ClientIP }),
	"kong.client.get_port":       number(func(c *call) int { return c.ClientPort }),
	// Nothing is forwarded, whatever trusted_ips says: real_ip_header is not emulated.
	"kong.client.get_forwarded_ip":   answer(func(c *call) string { return c.ClientIP }),
	"kong.client.get_forwarded_port": number(func(c *call) int { return c.ClientPort }),
	"kong.client.get_protocol":       answer(func(c *call) string { return c.Scheme }),

	"kong.ip.is_trusted": withString(func(c *call, ip string) ([]byte, error) {
		return proto.Marshal(&pb.Bool{V: c.o.Trusted != nil && c.o.Trusted(ip)})
	}),

	"kong.router.get_route":   func(c *call) ([]byte, error) { return entity(c.Route, new(pb.Route)) },
	"kong.router.get_service": func(c *call) ([]byte, error) { return entity(c.Service, new(pb.Service)) },
}

// known are methods that Kong has and the fake Kong has not. To say "not found"
// of them would be wrong, and to answer anything would be worse.
var known = []string{
	"kong.log.serialize",
	"kong.nginx.get_tls1_version_str", "kong.nginx.req_start_time",
	"kong.node.get_id", "kong.node.get_memory_stats",
	"kong.request.get_http_version", "kong.request.get_query", "kong.request.get_query_arg",
	"kong.request.get_raw_body", "kong.request.get_uri_captures",
	"kong.response.get_header", "kong.response.get_headers", "kong.response.get_source", "kong.response.get_status",
	"kong.service.request.set_method", "kong.service.request.set_path", "kong.service.request.set_query",
	"kong.service.request.set_raw_body", "kong.service.request.set_raw_query", "kong.service.request.set_scheme",
	"kong.service.response.get_header", "kong.service.response.get_headers", "kong.service.response.get_raw_body",
	"kong.service.response.get_status", "kong.service.set_target", "kong.service.set_upstream",
}

func init() {
	for _, name := range known {
		methods[name] = func(*call) ([]byte, error) {
			return nil, throwf("the fake Kong does not emulate %s", name)
		}
	}
}

func set(m map[string]any, k string, v any) map[string]any {
	if m == nil {
		m = map[string]any{}
	}
	if v == nil {
		delete(m, k)
	} else {
		m[k] = v
	}
	return m
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

func answer(f func(*call) string) method {
	return func(c *call) ([]byte, error) { return text(f(c)) }
}

func number(f func(*call) int) method {
	return func(c *call) ([]byte, error) { return proto.Marshal(&pb.Int{V: int32(f(c))}) }
}

func log(level errlog.Level) method {
	return func(c *call) ([]byte, error) {
		var m structpb.ListValue
		if err := c.decode(&m); err != nil {
			return nil, err
		}
		line := ""
		for _, v := range m.Values {
			line += luaString(fromValue(v))
		}
		c.logf(level, "[kong] pb_rpc.lua:233 %s", line)
		return nil, nil
	}
}

package rpc_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	pb "github.com/Kong/go-pdk/server/kong_plugin_protocol"
	"google.golang.org/protobuf/types/known/structpb"

	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

func kv(k string, v any) *pb.KV {
	value, err := structpb.NewValue(v)
	if err != nil {
		panic(err)
	}
	return &pb.KV{K: k, V: value}
}

// directory knows alice, by both her names.
type directory struct{}

var alice = map[string]any{"id": "11111111-1111-4111-8111-111111111111", "username": "alice", "custom_id": "c-1", "created_at": float64(7)}

func (directory) ConsumerByID(id string) map[string]any {
	if id == alice["id"] {
		return alice
	}
	return nil
}

func (directory) ConsumerByUsername(name string) map[string]any {
	if name == "alice" {
		return alice
	}
	return nil
}

// ask runs one event that makes these calls and returns their replies.
func ask(t *testing.T, o func(*rpc.Options), r func(*rpc.Request), calls ...string) (*rpc.Request, []string, *kong) {
	t.Helper()
	var replies []string
	done := make(chan bool, 1)
	s := serveRaw(t, instances(func(p *peer, m *pb.RpcCall) bool {
		defer func() { done <- true }()
		for i := 0; i < len(calls); i += 2 {
			p.send(calls[i], calls[i+1])
			f, ok := p.frame()
			if !ok {
				return false
			}
			replies = append(replies, string(f))
		}
		return pass(p, m)
	}))
	k := newKong(t, s, func(opts *rpc.Options) {
		opts.Consumers = directory{}
		if o != nil {
			o(opts)
		}
	})
	req := k.request()
	if r != nil {
		r(req)
	}
	k.Access(req, k.conf)
	req.End()
	<-done
	return req, replies, k
}

func TestContext(t *testing.T) {
	r, got, _ := ask(t, nil, func(r *rpc.Request) { r.Shared = map[string]any{"chain": "PEM"} },
		"kong.ctx.shared.get", str("chain"),
		"kong.ctx.shared.get", str("none"),
		"kong.ctx.shared.set", encode(kv("groups", []any{"a", "b"})),
		"kong.ctx.shared.get", str("groups"),
		"kong.nginx.set_ctx", encode(kv("authenticated_credential", map[string]any{"id": "x"})),
		"kong.client.get_credential", "",
		"kong.nginx.set_ctx", encode(kv("no", false)),
		"kong.nginx.set_ctx", encode(kv("null", nil)),
		"kong.nginx.get_subsystem", "")
	list, _ := structpb.NewValue([]any{"a", "b"})
	want := []string{encode(structpb.NewStringValue("PEM")), "", "", encode(list), "", encode(&pb.AuthenticatedCredential{Id: "x"}), "", "", str("http")}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("replies %q, want %q", got, want)
	}
	if _, there := r.Ctx["no"]; there || r.Ctx["null"] != "NULL_VALUE" || r.Credential()["consumer_id"] != nil {
		t.Errorf("ctx %v", r.Ctx)
	}
}

func TestNilAsNumber(t *testing.T) {
	_, got, _ := ask(t, func(o *rpc.Options) { o.NullValue = 1 }, nil, "kong.ctx.shared.get", str("none"))
	if len(got) != 1 || got[0] != "\x08\x01" {
		t.Errorf("reply %q, want 08 01", got)
	}
}

func TestConsumers(t *testing.T) {
	found := encode(&pb.Consumer{Id: alice["id"].(string), Username: "alice", CustomId: "c-1", CreatedAt: 7})
	spec := func(id string, byName bool) string { return encode(&pb.ConsumerSpec{Id: id, ByUsername: byName}) }
	r, got, _ := ask(t, nil, nil,
		"kong.client.get_consumer", "",
		"kong.client.load_consumer", spec("alice", true),
		"kong.client.load_consumer", spec(alice["id"].(string), false),
		"kong.client.load_consumer", spec("c-1", true),
		"kong.client.load_consumer", spec("22222222-1111-4111-8111-111111111111", false),
		"kong.client.authenticate", encode(&pb.AuthenticateArgs{Consumer: &pb.Consumer{Id: "i", Username: "alice"}, Credential: &pb.AuthenticatedCredential{Id: "x"}}),
		"kong.client.get_consumer", "",
		"kong.client.authenticate", encode(&pb.AuthenticateArgs{Credential: &pb.AuthenticatedCredential{Id: "x"}}),
		"kong.client.get_ip", "")
	want := []string{"", found, found, "", "", "", encode(&pb.Consumer{Id: "i", Username: "alice"}), "", str("127.0.0.1")}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("replies %q, want %q", got, want)
	}
	// The second one cleared the consumer; its credential has the empty id.
	if r.Consumer() != nil || r.Credential()["consumer_id"] != "" {
		t.Errorf("consumer %v credential %v", r.Consumer(), r.Credential())
	}
}

func TestCallsThatThrow(t *testing.T) {
	for _, test := range []struct{ name, method, args, log string }{
		{"authenticate no one", "kong.client.authenticate", "", "either credential or consumer must be provided"},
		{"load no one", "kong.client.load_consumer", "", "cannot load a consumer with an id that is not a uuid"},
		{"load by something else", "kong.client.load_consumer", encode(&pb.ConsumerSpec{Id: "alice"}), "cannot load a consumer with an id that is not a uuid"},
		{"header without a value", "kong.service.request.set_header", encode(&pb.KV{K: "X"}), `invalid header value for "X": got nil`},
		{"no headers asked for", "kong.request.get_headers", "", "max_headers must be >= 1"},
		{"too many headers asked for", "kong.request.get_headers", encode(&pb.Int{V: 1001}), "max_headers must be <= 1000"},
		{"not emulated", "kong.service.set_upstream", str("x"), "the fake Kong does not emulate kong.service.set_upstream"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, got, k := ask(t, nil, nil, test.method, test.args)
			if len(got) != 0 {
				t.Errorf("replies %q", got)
			}
			want500(t, r)
			k.wantLog(t, errlog.Error, "[kong] init.lua:406 [p] pb_rpc.lua:233: "+test.log)
		})
	}
}

func TestHeaders(t *testing.T) {
	headers := func(m map[string]any) string { s, _ := structpb.NewStruct(m); return encode(s) }
	r, got, _ := ask(t, nil, func(r *rpc.Request) {
		r.Header = http.Header{"X-Consumer-Id": {"evil"}, "X_consumer_id": {"evil"}, "X-Two": {"1", "2"}, "X-Three": {"3"}}
	},
		"kong.request.get_header", str("x-two"),
		"kong.request.get_header", str("X-None"),
		"kong.request.get_headers", encode(&pb.Int{V: 1000}),
		"kong.service.request.set_headers", headers(map[string]any{"X-CONSUMER-ID": []any{}, "X-Two": []any{"3", "4"}, "X-Empty": ""}),
		"kong.service.request.clear_header", str("x-three"),
		"kong.service.request.add_header", encode(kv("x-TWO", "5")),
		"kong.service.request.set_header", encode(kv("X-Number", 1795455364)),
		"kong.response.set_header", encode(kv("X-R", "r")))
	if got[0] != str("1") || got[1] != "" || !strings.Contains(got[2], "x_consumer_id") {
		t.Errorf("replies %q", got)
	}
	want := http.Header{"X_consumer_id": {"evil"}, "X-Two": {"3", "4", "5"}, "X-Empty": {" "}, "X-Number": {"1795455364"}}
	if !reflect.DeepEqual(r.Header, want) {
		t.Errorf("headers %v, want %v", r.Header, want)
	}
	if r.ResponseHeader.Get("X-R") != "r" {
		t.Errorf("answer's headers %v", r.ResponseHeader)
	}
}

func TestLogLines(t *testing.T) {
	message := encode(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStringValue("[mtls-auth] reason="), structpb.NewNumberValue(3)}})
	_, _, k := ask(t, nil, nil, "kong.log.notice", message, "kong.log.err", message, "kong.log.debug", message)
	want := `[kong] pb_rpc.lua:233 [mtls-auth] reason=3, client: 127.0.0.1, server: kong, request: "GET /cert HTTP/1.1", host: "h", request_id: "d62d"`
	for _, level := range []errlog.Level{errlog.Notice, errlog.Error} {
		if k.log.Count(level, want) != 1 {
			t.Errorf("no [%s] %s in %v", level, want, k.log.Lines())
		}
	}
	if k.log.Count(errlog.Debug, "") != 0 {
		t.Error("a debug line at level info")
	}
}

// What the client's Connection header names is cleared after the plugins ran.
func TestConnectionHeaderClears(t *testing.T) {
	r := &rpc.Request{Header: http.Header{"Connection": {"close, X-Consumer-ID"}, "X-Consumer-Id": {"set by a plugin"}, "X-Other": {"1"}}}
	r.DropHopByHop()
	if r.Header.Get("X-Consumer-ID") != "" || r.Header.Get("X-Other") != "1" {
		t.Errorf("headers %v", r.Header)
	}
}

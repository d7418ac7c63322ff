package rpc_test

import (
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"reflect"
	"testing"

	"github.com/Kong/go-pdk/bridge"
	"github.com/Kong/go-pdk/client"
	"github.com/Kong/go-pdk/entities"

	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// goPDK runs a call of go-pdk's client against this reply, and returns the
// method and the arguments' frame in hex.
func goPDK(t *testing.T, reply string, do func(client.Client)) (method, args string) {
	t.Helper()
	plugin, kong := net.Pipe()
	defer kong.Close()
	go func() {
		defer plugin.Close()
		do(client.Client{PdkBridge: bridge.New(plugin)})
	}()
	frame := func() string {
		var n uint32
		if err := binary.Read(kong, binary.LittleEndian, &n); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(kong, b); err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	method, args = frame(), hex.EncodeToString([]byte(frame()))
	_, _ = kong.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(reply))))
	_, _ = io.WriteString(kong, reply)
	_, _ = io.Copy(io.Discard, kong) // until the call is over
	return method, args
}

// The bytes that go-pdk v0.11.0 sends for nil and for what is empty, and what
// the fake Kong makes of the same bytes: who is then in ngx.ctx, as Lua has it
// with lua-protobuf's defaults filled in.
func TestAuthenticateAsGoPDKSendsIt(t *testing.T) {
	consumer := &entities.Consumer{Id: "i", Username: "u", CreatedAt: 7, Tags: []string{"t"}}
	type table = map[string]any
	for _, test := range []struct {
		name       string
		consumer   *entities.Consumer
		credential *client.AuthenticatedCredential
		frame      string
		inCtx      table
	}{
		{"both", consumer, &client.AuthenticatedCredential{Id: "c", ConsumerId: "i"}, "0a0b" + "0a0169" + "1007" + "1a0175" + "2a0174" + "1206" + "0a0163" + "120169",
			table{"authenticated_consumer": table{"id": "i", "username": "u", "custom_id": "", "created_at": 7.0, "tags": []any{"t"}},
				"authenticated_credential": table{"id": "c", "consumer_id": "i"}}},
		{"no credential", consumer, nil, "0a0b" + "0a0169" + "1007" + "1a0175" + "2a0174",
			table{"authenticated_consumer": table{"id": "i", "username": "u", "custom_id": "", "created_at": 7.0, "tags": []any{"t"}}}},
		{"no consumer", nil, &client.AuthenticatedCredential{Id: "c"}, "1203" + "0a0163",
			table{"authenticated_credential": table{"id": "c", "consumer_id": ""}}},
		{"empty consumer", &entities.Consumer{}, nil, "0a00",
			table{"authenticated_consumer": table{"id": "", "username": "", "custom_id": "", "created_at": 0.0, "tags": []any{}}}},
		{"empty credential", nil, &client.AuthenticatedCredential{}, "1200",
			table{"authenticated_credential": table{"id": "", "consumer_id": ""}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			method, args := goPDK(t, "", func(c client.Client) {
				if err := c.Authenticate(test.consumer, test.credential); err != nil {
					t.Error(err)
				}
			})
			if method != "kong.client.authenticate" || args != test.frame {
				t.Fatalf("%s %s, want %s", method, args, test.frame)
			}
			b, _ := hex.DecodeString(args)
			before := func(r *rpc.Request) {
				r.Ctx = table{"authenticated_consumer": table{"id": "old"}, "authenticated_credential": table{"id": "old"}, "other": "stays"}
			}
			r, replies, _ := ask(t, nil, before, method, string(b))
			test.inCtx["other"] = "stays"
			if len(replies) != 1 || replies[0] != "" || !reflect.DeepEqual(r.Ctx, test.inCtx) {
				t.Errorf("replies %q, ngx.ctx %v, want %v", replies, r.Ctx, test.inCtx)
			}
		})
	}
}

// What go-pdk reads out of the fake Kong's replies, an empty one included.
func TestClientAsGoPDKReadsIt(t *testing.T) {
	// key-auth leaves a credential that names its consumer in its own way.
	key := map[string]any{"id": "k", "key": "secret", "consumer": map[string]any{"id": alice["id"]}}
	for _, test := range []struct {
		name  string
		ctx   map[string]any
		do    func(client.Client) (any, error)
		frame string // what go-pdk asks with
		want  any
	}{
		{"credential of key-auth", map[string]any{"authenticated_credential": key}, func(c client.Client) (any, error) { return c.GetCredential() }, "", client.AuthenticatedCredential{Id: "k"}},
		{"no credential", nil, func(c client.Client) (any, error) { return c.GetCredential() }, "", client.AuthenticatedCredential{}},
		{"empty table for a credential", map[string]any{"authenticated_credential": []any{}}, func(c client.Client) (any, error) { return c.GetCredential() }, "", client.AuthenticatedCredential{}},
		{"consumer", map[string]any{"authenticated_consumer": alice}, func(c client.Client) (any, error) { return c.GetConsumer() }, "",
			entities.Consumer{Id: alice["id"].(string), Username: "alice", CustomId: "c-1", CreatedAt: 7}},
		{"no consumer", nil, func(c client.Client) (any, error) { return c.GetConsumer() }, "", entities.Consumer{}},
		{"load by username", nil, func(c client.Client) (any, error) { return c.LoadConsumer("alice", true) }, "0a05616c6963651001",
			entities.Consumer{Id: alice["id"].(string), Username: "alice", CustomId: "c-1", CreatedAt: 7}},
		{"load by custom_id", nil, func(c client.Client) (any, error) { return c.LoadConsumer("c-1", true) }, "0a03632d311001", entities.Consumer{}},
		{"load the empty name", nil, func(c client.Client) (any, error) { return c.LoadConsumer("", true) }, "1001", entities.Consumer{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			method, args := goPDK(t, "", func(c client.Client) { _, _ = test.do(c) })
			if args != test.frame {
				t.Fatalf("%s %s, want %s", method, args, test.frame)
			}
			b, _ := hex.DecodeString(args)
			_, replies, _ := ask(t, nil, func(r *rpc.Request) { r.Ctx = test.ctx }, method, string(b))
			if len(replies) != 1 {
				t.Fatalf("replies %q", replies)
			}
			got := make(chan any, 1)
			goPDK(t, replies[0], func(c client.Client) {
				v, err := test.do(c)
				if err != nil {
					t.Error(err)
				}
				got <- v
			})
			if v := <-got; !reflect.DeepEqual(v, test.want) {
				t.Errorf("%+v, want %+v", v, test.want)
			}
		})
	}
}

// Calls that throw in Lua: the event ends with Kong's 500.
func TestClientCallsThatThrow(t *testing.T) {
	text := func(r *rpc.Request) {
		r.Ctx = map[string]any{"authenticated_credential": "NULL_VALUE", "authenticated_consumer": 5.0}
	}
	for _, test := range []struct{ name, method, frame, log string }{
		{"authenticate with nothing", "kong.client.authenticate", "", "either credential or consumer must be provided"},
		{"consumer that is no message", "kong.client.authenticate", "0a05", "pb_rpc.lua:228"},
		{"credential that is a text", "kong.client.get_credential", "", "bad argument #2 to 'encode' (table expected, got string)"},
		{"consumer that is a number", "kong.client.get_consumer", "", "bad argument #2 to 'encode' (table expected, got number)"},
		{"load the empty id", "kong.client.load_consumer", "", "cannot load a consumer with an id that is not a uuid"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, _ := hex.DecodeString(test.frame)
			r, replies, k := ask(t, nil, text, test.method, string(b))
			if len(replies) != 0 {
				t.Errorf("replies %q", replies)
			}
			want500(t, r)
			k.wantLog(t, errlog.Error, test.log)
		})
	}
}

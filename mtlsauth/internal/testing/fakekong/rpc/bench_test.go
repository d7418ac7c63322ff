package rpc_test

import (
	"testing"

	pb "github.com/Kong/go-pdk/server/kong_plugin_protocol"

	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// What the driver itself costs: an event that does nothing, and one that reads
// a variable and sets a header in one write.
func BenchmarkEvent(b *testing.B) {
	for name, handle := range map[string]func(p *peer, m *pb.RpcCall) bool{
		"empty": pass,
		"get_var, set_header": func(p *peer, m *pb.RpcCall) bool {
			p.send("kong.nginx.get_var", str("ssl_client_raw_cert"))
			p.frame()
			p.send("kong.service.request.set_header", encode(kv("X-A", "1")), "", returned(m.Sequence))
			p.frame()
			return true
		},
	} {
		b.Run(name, func(b *testing.B) {
			s := serveRaw(b, func(p *peer) {
				for {
					m, ok := p.call()
					if !ok {
						return
					}
					if m.GetCmdStartInstance() != nil {
						p.started(m, 1)
					} else {
						handle(p, m)
					}
				}
			})
			c := rpc.New(rpc.Options{Socket: s.path, Plugin: "p"})
			defer c.Close()
			conf, err := c.Load(map[string]any{"__plugin_id": "a"})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.RunParallel(func(b *testing.PB) {
				for b.Next() {
					r := &rpc.Request{Header: map[string][]string{}, Var: func(string) string { return "PEM" }}
					c.Access(r, conf)
					r.End()
				}
			})
		})
	}
}

package rpc_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	pb "github.com/Kong/go-pdk/server/kong_plugin_protocol"

	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// The bytes of a first request that Kong 3.9.1 and go-pdk exchanged; Kong's
// RpcCall has its fields in either order, here sequence first.
func TestTraceOfAPass(t *testing.T) {
	const getVar = "12000000 6b6f6e672e6e67696e782e6765745f766172 15000000 0a1373736c5f636c69656e745f7261775f63657274"
	type got struct{ call, pem, header []byte }
	out := make(chan got, 1)
	s := serveRaw(t, func(p *peer) {
		if m, ok := p.call(); !ok || m.Sequence != 2 {
			t.Errorf("first call %v, want sequence 2", m)
		}
		p.hex("18000000 08028a02130a096d746c732d6175746810062084f391d806")
		var g got
		g.call, _ = p.frame()
		p.hex(getVar)
		g.pem, _ = p.frame()
		p.hex("1f000000 6b6f6e672e736572766963652e726571756573742e7365745f686561646572 1a000000 0a11582d436c69656e742d436572742d4c656e12051a03373934")
		g.header, _ = p.frame()
		p.hex("00000000 02000000 0803")
		out <- g
		p.frame()
	})
	k := newKong(t, s)
	r := k.request()
	r.Var = func(name string) string {
		if name != "ssl_client_raw_cert" {
			t.Errorf("variable %q", name)
		}
		return strings.Repeat("x", 794)
	}
	k.Access(r, k.conf)
	r.End()
	g := <-out
	if want := "0803a2020a08061206616363657373"; hex.EncodeToString(g.call) != want {
		t.Errorf("HandleEvent %x, want %s", g.call, want)
	}
	if !bytes.HasPrefix(g.pem, []byte{0x0a, 0x9a, 0x06, 'x'}) || len(g.pem) != 797 {
		t.Errorf("get_var's reply is %d bytes, %x…", len(g.pem), g.pem[:4])
	}
	if len(g.header) != 0 {
		t.Errorf("set_header's reply %x, want an empty frame", g.header)
	}
	if r.Exit != nil || r.Header.Get("X-Client-Cert-Len") != "794" {
		t.Errorf("exit %v, headers %v", r.Exit, r.Header)
	}
}

// Kong gives no reply to an exit and closes once the answer is sent; what the
// plugin writes after it is not read.
func TestExitHasNoReplyAndCostsTheConnection(t *testing.T) {
	ended := make(chan int, 4)
	s := serveRaw(t, instances(func(p *peer, m *pb.RpcCall) bool {
		p.hex("12000000 6b6f6e672e6e67696e782e6765745f766172 15000000 0a1373736c5f636c69656e745f7261775f63657274")
		if f, ok := p.frame(); !ok || len(f) != 0 {
			t.Errorf("reply for no certificate: %x", f)
		}
		p.hex("12000000 6b6f6e672e726573706f6e73652e65786974 61000000 089103 12327b226d657373616765223a224e6f20726571756972656420544c53206365727469666963617465207761732073656e74227d 1a280a260a0c436f6e74656e742d54797065121632140a121a106170706c69636174696f6e2f6a736f6e")
		p.send("", returned(m.Sequence))
		f, ok := p.frame()
		if ok {
			t.Errorf("a reply to exit: %x", f)
		}
		ended <- p.n
		return false
	}))
	k := newKong(t, s)
	for n := 1; n <= 2; n++ {
		r := k.request()
		k.Access(r, k.conf)
		if r.Exit == nil || r.Exit.Status != 401 || r.Exit.Failed || string(r.Exit.Body) != `{"message":"No required TLS certificate was sent"}` ||
			r.Exit.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("exit %+v", r.Exit)
		}
		select {
		case <-ended:
			t.Fatal("connection closed before the answer was sent")
		case <-time.After(30 * time.Millisecond):
		}
		r.End()
		if got := <-ended; got != n {
			t.Errorf("connection %d ended, want %d", got, n)
		}
	}
	if got, want := s.noted(), "start event1 event1"; got != want {
		t.Errorf("calls %q, want %q", got, want)
	}
}

// Several calls, the end of the event and the return in one write: every reply
// comes, and the connection stays.
func TestPipelinedCalls(t *testing.T) {
	s := serveRaw(t, instances(func(p *peer, m *pb.RpcCall) bool {
		p.send("kong.nginx.get_var", str("a"), "kong.nginx.get_var", str("none"), "kong.nginx.get_var", str("b"))
		for _, want := range []string{str("1"), "", str("2")} {
			if f, _ := p.frame(); string(f) != want {
				t.Errorf("reply %q, want %q", f, want)
			}
		}
		set := func(k, v string) string { return encode(kv(k, v)) }
		p.send("kong.service.request.set_header", set("X-A", "1"), "kong.service.request.set_header", set("X-B", "2"),
			"kong.service.request.set_header", set("X-C", "3"), "", returned(m.Sequence))
		for range 3 {
			if f, ok := p.frame(); !ok || len(f) != 0 {
				t.Errorf("reply %x %v", f, ok)
			}
		}
		return true
	}))
	k := newKong(t, s)
	for range 3 {
		r := k.request()
		r.Var = func(name string) string { return map[string]string{"a": "1", "b": "2"}[name] }
		k.Access(r, k.conf)
		r.End()
		if r.Exit != nil || r.Header.Get("X-A")+r.Header.Get("X-B")+r.Header.Get("X-C") != "123" {
			t.Errorf("exit %v headers %v", r.Exit, r.Header)
		}
	}
	if s.connections() != 1 {
		t.Errorf("%d connections, want 1", s.connections())
	}
}

func TestAnswersThatAreWrong(t *testing.T) {
	tests := []struct {
		name   string
		handle func(p *peer, m *pb.RpcCall) bool
		level  errlog.Level
		log    string
		conns  int // after a second, good request
	}{
		{"wrong sequence", func(p *peer, m *pb.RpcCall) bool { p.send("", returned(m.Sequence+1)); return true },
			errlog.Error, "init.lua:406 [p] pb_rpc.lua:325: assertion failed!", 1},
		{"empty return", func(p *peer, m *pb.RpcCall) bool { p.send("", ""); return true },
			errlog.Error, "pb_rpc.lua:325: assertion failed!", 1},
		{"unknown method", func(p *peer, m *pb.RpcCall) bool {
			p.send("kong.client.tls.get_full_client_certificate_chain", "")
			if _, ok := p.frame(); ok {
				t.Error("a reply to an unknown method")
			}
			return false
		}, errlog.Error, `pb_rpc.lua:382 [p] pluginserver error: method "kong.client.tls.get_full_client_certificate_chain" not found`, 2},
		{"a call that throws", func(p *peer, m *pb.RpcCall) bool {
			p.send("kong.response.set_status", encode(&pb.Int{V: 9999}))
			if _, ok := p.frame(); ok {
				t.Error("a reply to a call that throws")
			}
			return false
		}, errlog.Error, "init.lua:406 [p] pb_rpc.lua:233: code must be a number between 100 and 599", 2},
		{"undecodable arguments", func(p *peer, m *pb.RpcCall) bool {
			p.send("kong.nginx.get_var", "\x0a\xff")
			p.frame()
			return false
		}, errlog.Error, "init.lua:406 [p] pb_rpc.lua:228", 2},
		{"silence", func(p *peer, m *pb.RpcCall) bool { p.frame(); return false },
			errlog.Error, "pb_rpc.lua:382 [p] pluginserver error: timeout", 2},
		{"reset", func(p *peer, m *pb.RpcCall) bool {
			// A reply that is never read when the connection closes makes it a reset.
			p.send("kong.nginx.get_var", str("ssl_client_verify"))
			time.Sleep(50 * time.Millisecond)
			return false
		}, errlog.Error, "pb_rpc.lua:382 [p] pluginserver error: connection reset by peer", 2},
		{"closed before its replies could be written", func(p *peer, m *pb.RpcCall) bool {
			for range 50 {
				p.send("kong.service.request.set_header", encode(kv("X-A", "1")))
			}
			p.send("kong.response.exit", encode(&pb.ExitArgs{Status: 418}))
			return false
		}, errlog.Error, "pb_rpc.lua:264: broken pipe", 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var served atomic.Bool
			s := serveRaw(t, instances(func(p *peer, m *pb.RpcCall) bool {
				if !served.Swap(true) {
					return test.handle(p, m)
				}
				p.send("", returned(m.Sequence))
				return true
			}))
			k := newKong(t, s, func(o *rpc.Options) { o.ReadTimeout = 200 * time.Millisecond })
			want500(t, k.access(k.conf))
			k.wantLog(t, test.level, test.log)
			if r := k.access(k.conf); r.Exit != nil {
				t.Errorf("the next request: %+v", r.Exit)
			}
			if got := s.connections(); got != test.conns {
				t.Errorf("%d connections, want %d", got, test.conns)
			}
			if k.Repeats() != 0 {
				t.Errorf("%d repeats", k.Repeats())
			}
		})
	}
}

// The read time-out is for each read: an event may take longer in all.
func TestTimeoutIsForEachRead(t *testing.T) {
	s := serveRaw(t, instances(func(p *peer, m *pb.RpcCall) bool {
		for range 4 {
			time.Sleep(100 * time.Millisecond)
			p.send("kong.nginx.get_var", str("x"))
			p.frame()
		}
		p.send("", returned(m.Sequence))
		return true
	}))
	k := newKong(t, s, func(o *rpc.Options) { o.ReadTimeout = 250 * time.Millisecond })
	if r := k.access(k.conf); r.Exit != nil {
		t.Errorf("exit %+v", r.Exit)
	}
}

func TestExtraBytesCostTheConnection(t *testing.T) {
	s := serveRaw(t, instances(func(p *peer, m *pb.RpcCall) bool {
		p.send("", returned(m.Sequence), "more")
		return true
	}))
	k := newKong(t, s)
	for range 2 {
		if r := k.access(k.conf); r.Exit != nil {
			t.Errorf("exit %+v", r.Exit)
		}
	}
	if s.connections() != 2 {
		t.Errorf("%d connections, want 2", s.connections())
	}
}

func TestNoListener(t *testing.T) {
	s := serveRaw(t, func(*peer) {})
	k := newKong(t, s, func(o *rpc.Options) { o.Socket += "-gone" })
	want500(t, k.access(k.conf))
	k.wantLog(t, errlog.Crit, "-gone failed (2: No such file or directory)")
	k.wantLog(t, errlog.Error, "pb_rpc.lua:273 [p] trying to connect: no such file or directory")
	k.wantLog(t, errlog.Error, "plugin.lua:283 [p] starting instance: no such file or directory")
	k.wantLog(t, errlog.Error, "init.lua:406 [p] plugin.lua:286: no such file or directory")
}

func TestIdleConnectionsEnd(t *testing.T) {
	ended := make(chan bool, 1)
	s := serveRaw(t, instances(func(p *peer, m *pb.RpcCall) bool {
		p.send("", returned(m.Sequence))
		_, ok := p.frame()
		ended <- ok
		return false
	}))
	k := newKong(t, s, func(o *rpc.Options) { o.IdleTimeout = 60 * time.Millisecond })
	begin := time.Now()
	k.access(k.conf)
	if ok := <-ended; ok || time.Since(begin) < 60*time.Millisecond {
		t.Errorf("ended after %v, frame %v", time.Since(begin), ok)
	}
}

// A frame longer than the buffer, and one that claims more than ever comes.
func TestLongFrames(t *testing.T) {
	long := strings.Repeat("x", 300_000)
	s := serveRaw(t, instances(func(p *peer, m *pb.RpcCall) bool {
		p.send("kong.ctx.shared.set", encode(kv("k", long)))
		p.frame()
		return pass(p, m)
	}))
	k := newKong(t, s)
	if r := k.access(k.conf); r.Exit != nil || r.Shared["k"] != long {
		t.Errorf("exit %+v, %d values", r.Exit, len(r.Shared))
	}
	s = serveRaw(t, instances(func(p *peer, m *pb.RpcCall) bool {
		p.hex("ffffff7f 6b6f6e67")
		p.frame()
		return false
	}))
	k = newKong(t, s, func(o *rpc.Options) { o.ReadTimeout = 100 * time.Millisecond })
	want500(t, k.access(k.conf))
	k.wantLog(t, errlog.Error, "pluginserver error: timeout")
}

package rpc_test

import (
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	pb "github.com/Kong/go-pdk/server/kong_plugin_protocol"
	"google.golang.org/protobuf/proto"

	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// rawServer is a plugin server that writes its frames by hand.
type rawServer struct {
	t    testing.TB
	path string

	mu    sync.Mutex
	calls []string // what Kong's side sent: start, close and event with their ids
	conns int
}

// peer is one connection of Kong's at a rawServer.
type peer struct {
	*rawServer
	*net.UnixConn
	n int // the connection's number, from 1
}

// serveRaw listens and runs handle for every connection.
func serveRaw(t testing.TB, handle func(*peer)) *rawServer {
	s := &rawServer{t: t, path: filepath.Join(t.TempDir(), "s")}
	l, err := net.Listen("unix", s.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns++
			p := &peer{s, c.(*net.UnixConn), s.conns}
			s.mu.Unlock()
			go func() {
				defer p.Close()
				handle(p)
			}()
		}
	}()
	return s
}

func (s *rawServer) note(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
}

func (s *rawServer) noted() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.calls, " ")
}

func (s *rawServer) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// frame reads one frame; false at the connection's end.
func (p *peer) frame() ([]byte, bool) {
	var n uint32
	if err := binary.Read(p, binary.LittleEndian, &n); err != nil {
		return nil, false
	}
	b := make([]byte, n)
	_, err := io.ReadFull(p, b)
	return b, err == nil
}

// call reads an RpcCall.
func (p *peer) call() (*pb.RpcCall, bool) {
	b, ok := p.frame()
	if !ok {
		return nil, false
	}
	m := new(pb.RpcCall)
	if err := proto.Unmarshal(b, m); err != nil {
		p.t.Errorf("undecodable RpcCall %x: %v", b, err)
		return nil, false
	}
	return m, true
}

// send writes frames, all in one write.
func (p *peer) send(frames ...string) {
	var b []byte
	for _, f := range frames {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	_, _ = p.Write(b)
}

func (p *peer) hex(s string) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		p.t.Error(err)
	}
	_, _ = p.Write(b)
}

func encode(m proto.Message) string {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func str(s string) string { return encode(&pb.String{V: s}) }

func returned(seq int64) string { return encode(&pb.RpcReturn{Sequence: seq}) }

// started answers a StartInstance.
func (p *peer) started(m *pb.RpcCall, id int32) {
	p.send(encode(&pb.RpcReturn{Sequence: m.Sequence, Return: &pb.RpcReturn_InstanceStatus{
		InstanceStatus: &pb.InstanceStatus{Name: "p", InstanceId: id, StartedAt: 1},
	}}))
}

// instances answers StartInstance with ids that count up and CloseInstance,
// notes all, and gives events to handle; where handle says false it closes.
func instances(handle func(p *peer, m *pb.RpcCall) bool) func(*peer) {
	var mu sync.Mutex
	next := int32(0)
	return func(p *peer) {
		for {
			m, ok := p.call()
			if !ok {
				return
			}
			switch {
			case m.GetCmdStartInstance() != nil:
				mu.Lock()
				next++
				id := next
				mu.Unlock()
				p.note("start")
				p.started(m, id)
			case m.GetCmdCloseInstance() != nil:
				p.note("close" + string(rune('0'+m.GetCmdCloseInstance().InstanceId)))
				p.send(returned(m.Sequence))
			default:
				p.note("event" + string(rune('0'+m.GetCmdHandleEvent().InstanceId)))
				if !handle(p, m) {
					return
				}
			}
		}
	}
}

// kong is a client of a rawServer with a log, and one loaded configuration.
type kong struct {
	*rpc.Client
	log  *errlog.Log
	conf *rpc.Config
}

func newKong(t *testing.T, s *rawServer, change ...func(*rpc.Options)) *kong {
	t.Helper()
	k := &kong{log: errlog.New(errlog.Info, nil)}
	o := rpc.Options{Socket: s.path, Plugin: "p", Log: k.log, PollInterval: 5 * time.Millisecond}
	for _, c := range change {
		c(&o)
	}
	k.Client = rpc.New(o)
	t.Cleanup(k.Close)
	k.conf = k.load(t, "a")
	return k
}

func (k *kong) load(t *testing.T, id string) *rpc.Config {
	t.Helper()
	conf, err := k.Load(map[string]any{"__plugin_id": id, "mode": "x"})
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

func (k *kong) request() *rpc.Request {
	r := &rpc.Request{ID: "d62d", Method: "GET", Path: "/cert", Proto: "HTTP/1.1", Host: "h", ClientIP: "127.0.0.1", Scheme: "https", Header: map[string][]string{}}
	r.Attach(k.log)
	return r
}

// access runs a whole request.
func (k *kong) access(conf *rpc.Config) *rpc.Request {
	r := k.request()
	k.Access(r, conf)
	r.End()
	return r
}

func (k *kong) wantLog(t *testing.T, level errlog.Level, text string) {
	t.Helper()
	if k.log.Count(level, text) == 0 {
		t.Errorf("no log line [%s] with %q in %v", level, text, k.log.Lines())
	}
}

func want500(t *testing.T, r *rpc.Request) {
	t.Helper()
	if r.Exit == nil || r.Exit.Status != 500 || !r.Exit.Failed {
		t.Fatalf("answer %+v, want Kong's own 500", r.Exit)
	}
	if got, want := string(r.Exit.Body), `{"message":"An unexpected error occurred","request_id":"d62d"}`; got != want {
		t.Errorf("body %s, want %s", got, want)
	}
}

package pluginserver_test

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	pdk "github.com/Kong/go-pdk"
	"github.com/Kong/go-pdk/server/kong_plugin_protocol"
	"google.golang.org/protobuf/proto"

	"mtls-auth/mtlsauth/internal/pluginserver"
)

// Those tests that run beside others mostly wait: more at once than there are processors.
func TestMain(m *testing.M) {
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		parallel.Value.Set("8")
	}
	os.Exit(m.Run())
}

// kong is Kong's side of one connection, frame by frame.
type kong struct {
	t *testing.T
	*net.UnixConn
}

func (k kong) send(frame []byte) {
	k.t.Helper()
	var length [4]byte
	binary.LittleEndian.PutUint32(length[:], uint32(len(frame)))
	// Kong sends length and body apart.
	for _, part := range [][]byte{length[:], frame} {
		if len(part) == 0 {
			continue
		}
		if _, err := k.Write(part); err != nil {
			k.t.Fatalf("writing a frame: %v", err)
		}
	}
}

func (k kong) receive() []byte {
	k.t.Helper()
	frame, err := k.tryReceive()
	if err != nil {
		k.t.Fatalf("reading a frame: %v", err)
	}
	return frame
}

func (k kong) tryReceive() ([]byte, error) {
	k.SetReadDeadline(time.Now().Add(10 * time.Second))
	var length [4]byte
	if _, err := io.ReadFull(k, length[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, binary.LittleEndian.Uint32(length[:]))
	_, err := io.ReadFull(k, frame)
	return frame, err
}

func (k kong) expect(want string) {
	k.t.Helper()
	if got := k.receive(); string(got) != want {
		k.t.Fatalf("got frame %q, want %q", got, want)
	}
}

// expectClosed expects an orderly end: Kong takes it as "ask again", and
// anything else, a reset above all, as a 500.
func (k kong) expectClosed() {
	k.t.Helper()
	frame, err := k.tryReceive()
	if !errors.Is(err, io.EOF) {
		k.t.Fatalf("got frame %q and error %v, want the end of the stream", frame, err)
	}
}

func (k kong) call(call *kong_plugin_protocol.RpcCall) {
	k.t.Helper()
	frame, err := proto.Marshal(call)
	if err != nil {
		k.t.Fatal(err)
	}
	k.send(frame)
}

func (k kong) answer() *kong_plugin_protocol.RpcReturn {
	k.t.Helper()
	var r kong_plugin_protocol.RpcReturn
	if err := proto.Unmarshal(k.receive(), &r); err != nil {
		k.t.Fatalf("reading an RpcReturn: %v", err)
	}
	return &r
}

// startInstance returns the id of a new instance.
func (k kong) startInstance(config string) int32 {
	k.t.Helper()
	k.call(&kong_plugin_protocol.RpcCall{Sequence: 2, Call: &kong_plugin_protocol.RpcCall_CmdStartInstance{
		CmdStartInstance: &kong_plugin_protocol.CmdStartInstance{Name: "test", Config: []byte(config)}}})
	r := k.answer()
	if r.Sequence != 2 || r.GetInstanceStatus().GetName() != "test" {
		k.t.Fatalf("got %v, want the status of an instance of test for call 2", r)
	}
	return r.GetInstanceStatus().GetInstanceId()
}

func (k kong) event(id int32, sequence int64) {
	k.t.Helper()
	k.call(&kong_plugin_protocol.RpcCall{Sequence: sequence, Call: &kong_plugin_protocol.RpcCall_CmdHandleEvent{
		CmdHandleEvent: &kong_plugin_protocol.CmdHandleEvent{InstanceId: id, EventName: "access"}}})
}

// expectReturn expects the end of the event and its RpcReturn.
func (k kong) expectReturn(sequence int64) {
	k.t.Helper()
	k.expect("")
	if r := k.answer(); r.Sequence != sequence || r.Return != nil {
		k.t.Fatalf("got %v, want the plain return of call %d", r, sequence)
	}
}

// expectFault expects the fault's answer and no more.
func (k kong) expectFault() {
	k.t.Helper()
	k.expect("kong.response.exit")
	var args kong_plugin_protocol.ExitArgs
	if err := proto.Unmarshal(k.receive(), &args); err != nil || args.Status != 500 {
		k.t.Fatalf("got exit with %v (%v), want status 500", &args, err)
	}
}

// handler is a plugin that handles every event alike.
type handler func(e *pluginserver.Event) error

func (h handler) Start([]byte) pluginserver.Instance { return h }
func (h handler) Handle(e *pluginserver.Event) error { return h(e) }
func (h handler) Close()                             {}

func record(fn func(kong *pdk.PDK)) pluginserver.Calls {
	return pluginserver.MustRecord(func(kong *pdk.PDK) error { fn(kong); return nil })
}

var (
	askCert = record(func(kong *pdk.PDK) { kong.Nginx.GetVar("ssl_client_raw_cert") })
	askBoth = record(func(kong *pdk.PDK) {
		kong.Nginx.GetVar("ssl_client_raw_cert")
		kong.Ctx.GetSharedAny("chain")
	})
	setHeader = record(func(kong *pdk.PDK) { kong.ServiceRequest.SetHeader("X-Client-Cert-Len", "794") })
	exit401   = record(func(kong *pdk.PDK) { kong.Response.Exit(401, []byte(`{"message":"no"}`), nil) })
	exit500   = record(func(kong *pdk.PDK) { kong.Response.Exit(500, []byte(`{"message":"fault"}`), nil) })
)

// running is a server on a socket of its own.
type running struct {
	*pluginserver.Server
	t      *testing.T
	path   string
	writes atomic.Int64 // of the server, on all connections
	faults atomic.Int64
	wrote  atomic.Value // a func(), called once after the next write
}

func start(t *testing.T, plugin pluginserver.Plugin, change ...func(*pluginserver.Options)) *running {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.socket")
	ids, err := pluginserver.OpenIDs(path + ".ids")
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, path: path}
	o := pluginserver.Options{
		Plugin: plugin,
		Info:   &kong_plugin_protocol.PluginInfo{Name: "test", Version: "1.2.3"},
		Fault:  func(*pluginserver.Event, error) pluginserver.Calls { r.faults.Add(1); return exit500 },
		IDs:    ids,
	}
	for _, f := range change {
		f(&o)
	}
	r.Server = pluginserver.New(o)
	l, err := pluginserver.Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- r.Serve(counting{l, r}) }()
	t.Cleanup(func() {
		ctx, cancel := contextOf(5 * time.Second)
		defer cancel()
		r.Shutdown(ctx)
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return r
}

// newServer returns a server without a listener.
func newServer(t *testing.T, plugin pluginserver.Plugin, pidFile string) *pluginserver.Server {
	t.Helper()
	ids, err := pluginserver.OpenIDs(filepath.Join(t.TempDir(), "ids"))
	if err != nil {
		t.Fatal(err)
	}
	return pluginserver.New(pluginserver.Options{
		Plugin: plugin,
		Info:   &kong_plugin_protocol.PluginInfo{Name: "test", Version: "1.2.3"},
		Fault:  func(*pluginserver.Event, error) pluginserver.Calls { return exit500 },
		IDs:    ids, PIDFile: pidFile,
	})
}

func (r *running) dial() kong {
	r.t.Helper()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: r.path, Net: "unix"})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return kong{r.t, c}
}

// counting counts the writes on a listener's connections, and calls a function once after
// the next one.
type counting struct {
	net.Listener
	of *running
}

func (l counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countingConn{c.(*net.UnixConn), l.of}, nil
}

type countingConn struct {
	*net.UnixConn
	of *running
}

func (c countingConn) Write(p []byte) (int, error) {
	c.of.writes.Add(1)
	n, err := c.UnixConn.Write(p)
	if f, ok := c.of.wrote.Swap(func() {}).(func()); ok {
		f()
	}
	return n, err
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

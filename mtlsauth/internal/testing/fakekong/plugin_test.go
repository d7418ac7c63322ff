package fakekong_test

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	pb "github.com/Kong/go-pdk/server/kong_plugin_protocol"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// The test binary is the plugin server as well: the commands that the tests
// give to the fake Kong say so in an environment variable of their own.
const asPlugin = "FAKEKONG_TEST_PLUGIN"

func TestMain(m *testing.M) {
	if os.Getenv(asPlugin) == "" {
		os.Exit(m.Run())
	}
	prefix := os.Args[len(os.Args)-1]
	if os.Args[1] == "-dump" {
		fmt.Print(dump(prefix))
		return
	}
	runPlugin(prefix)
}

func dump(prefix string) string {
	b, _ := json.Marshal(map[string]any{
		"Protocol": "ProtoBuf:1", "SocketPath": filepath.Join(prefix, "probe.socket"),
		"Plugins": []any{map[string]any{"Name": "probe", "Version": "1.0.0", "Priority": 1600, "Phases": []string{"access"}, "Schema": json.RawMessage(probeSchema)}},
	})
	return string(b)
}

const probeSchema = `{"name":"probe","fields":[
 {"protocols":{"type":"set","default":["http","https"],"elements":{"type":"string","one_of":["http","https"]}}},
 {"consumer":{"type":"foreign","reference":"consumers","eq":null}},
 {"config":{"type":"record","required":true,"fields":[
  {"mode":{"type":"string","default":"vars","one_of":["vars","exit","override","slow","authenticate","raw"]}},
  {"vars":{"type":"array","default":["ssl_client_verify"],"elements":{"type":"string"}}}]}}]}`

// plugin is a plugin server of a few modes, with hand-made frames.
type plugin struct {
	mu        sync.Mutex
	instances map[int32]map[string]any
}

func runPlugin(prefix string) {
	path := filepath.Join(prefix, "probe.socket")
	fmt.Println("plugin up")
	os.Remove(path)
	l, err := net.Listen("unix", path)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		<-term
		fmt.Println("plugin got SIGTERM")
		os.Exit(0)
	}()
	p := &plugin{instances: map[int32]map[string]any{}}
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go p.serve(&pipe{c, bufio.NewReader(c)})
	}
}

type pipe struct {
	net.Conn
	r *bufio.Reader
}

func (p *pipe) frame() ([]byte, error) {
	var n uint32
	if err := binary.Read(p.r, binary.LittleEndian, &n); err != nil {
		return nil, err
	}
	b := make([]byte, n)
	_, err := io.ReadFull(p.r, b)
	return b, err
}

func (p *pipe) send(frames ...[]byte) {
	var b []byte
	for _, f := range frames {
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(f))), f...)
	}
	p.Write(b)
}

func (p *pipe) ask(method string, args proto.Message) []byte {
	p.send([]byte(method), enc(args))
	b, err := p.frame()
	if err != nil {
		panic(err)
	}
	return b
}

func (p *pipe) variable(name string) string {
	var s pb.String
	proto.Unmarshal(p.ask("kong.nginx.get_var", &pb.String{V: name}), &s)
	return s.V
}

func enc(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

func (p *plugin) serve(c *pipe) {
	defer c.Close()
	defer func() { recover() }() // a connection that ended in an event
	for {
		b, err := c.frame()
		if err != nil {
			return
		}
		var m pb.RpcCall
		if proto.Unmarshal(b, &m) != nil {
			return
		}
		switch {
		case m.GetCmdStartInstance() != nil:
			var conf map[string]any
			json.Unmarshal(m.GetCmdStartInstance().Config, &conf)
			p.mu.Lock()
			id := int32(os.Getpid()*100 + len(p.instances))
			p.instances[id] = conf
			p.mu.Unlock()
			c.send(enc(&pb.RpcReturn{Sequence: m.Sequence, Return: &pb.RpcReturn_InstanceStatus{InstanceStatus: &pb.InstanceStatus{Name: "probe", InstanceId: id}}}))
		case m.GetCmdCloseInstance() != nil:
			c.send(enc(&pb.RpcReturn{Sequence: m.Sequence}))
		default:
			p.mu.Lock()
			conf, known := p.instances[m.GetCmdHandleEvent().GetInstanceId()]
			p.mu.Unlock()
			if !known || !event(c, conf) {
				return
			}
			c.send(nil, enc(&pb.RpcReturn{Sequence: m.Sequence}))
		}
	}
}

func event(c *pipe, conf map[string]any) bool {
	set := func(name, value string) {
		v, _ := structpb.NewValue(value)
		c.ask("kong.service.request.set_header", &pb.KV{K: name, V: v})
	}
	set("X-Pid", fmt.Sprint(os.Getpid()))
	text, _ := json.Marshal(conf)
	set("X-Conf", string(text))
	switch conf["mode"] {
	case "vars":
		for _, name := range conf["vars"].([]any) {
			set("X-Var-"+strings.ReplaceAll(name.(string), "_", "-"), url.QueryEscape(c.variable(name.(string))))
		}
		var chain structpb.Value
		proto.Unmarshal(c.ask("kong.ctx.shared.get", &pb.String{V: "mtls_auth_client_chain"}), &chain)
		set("X-Chain", fmt.Sprint(strings.Count(chain.GetStringValue(), "BEGIN CERTIFICATE")))
	case "exit":
		headers, _ := structpb.NewStruct(map[string]any{"Content-Type": []any{"application/json"}, "X-Plugin": []any{"a", "b"}})
		c.send([]byte("kong.response.exit"), enc(&pb.ExitArgs{Status: 401, Body: []byte(`{"message":"no"}`), Headers: headers}))
		c.frame()
		return false
	case "override":
		v, _ := structpb.NewValue("FAILED:revoked")
		c.ask("kong.nginx.set_ctx", &pb.KV{K: "CLIENT_VERIFY_OVERRIDE", V: v})
	case "slow":
		time.Sleep(300 * time.Millisecond)
	case "raw": // "METHOD HEX": the frames of a call, its reply in X-Reply-N
		for i, call := range conf["vars"].([]any) {
			method, args, _ := strings.Cut(call.(string), " ")
			b, _ := hex.DecodeString(args)
			c.send([]byte(method), b)
			reply, err := c.frame()
			if err != nil {
				return false
			}
			set(fmt.Sprintf("X-Reply-%d", i+1), hex.EncodeToString(reply)+".")
		}
	case "authenticate":
		var found pb.Consumer
		proto.Unmarshal(c.ask("kong.client.load_consumer", &pb.ConsumerSpec{Id: "alice", ByUsername: true}), &found)
		c.ask("kong.client.authenticate", &pb.AuthenticateArgs{Consumer: &found, Credential: &pb.AuthenticatedCredential{Id: "cred", ConsumerId: found.Id}})
		set("X-Consumer-ID", found.Id)
	}
	return true
}

package main_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ugorji/go/codec"
)

// built are the shared object's folder and the server, built as docs/go-pluginserver.md says.
var built struct {
	once            sync.Once
	plugins, server string
	err             error
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "mtls-auth-so")
	if err != nil {
		panic(err)
	}
	// For the tests that need no server: no Kong of this machine is asked.
	os.Setenv("MTLS_AUTH_KONG_PREFIX", dir)
	built.plugins, built.server = dir, filepath.Join(dir, "go-pluginserver")
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func build(t *testing.T) {
	t.Helper()
	built.once.Do(func() {
		for _, args := range [][]string{
			{"build", "-buildmode=plugin", "-o", filepath.Join(built.plugins, "mtls-auth.so"), "."},
			{"build", "-o", built.server, "github.com/Kong/go-pluginserver"},
		} {
			cmd := exec.Command("go", args...)
			cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
			if out, err := cmd.CombinedOutput(); err != nil {
				built.err = fmt.Errorf("go %q: %w\n%s", args, err, out)
				return
			}
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
}

// start starts go-pluginserver as Kong does, with nothing but these variables in
// its environment, and connects to it.
func start(t *testing.T, env ...string) *client {
	t.Helper()
	build(t)
	prefix := t.TempDir()
	cmd := exec.Command(built.server, "-kong-prefix", prefix, "-plugins-directory", built.plugins)
	cmd.Env = env
	log := new(buffer)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("go-pluginserver printed\n%s", log)
		}
	})
	c := &client{socket: filepath.Join(prefix, "go_pluginserver.sock"), pid: cmd.Process.Pid, log: log}
	for end := time.Now().Add(time.Minute); ; {
		conn, err := net.Dial("unix", c.socket)
		if err == nil {
			conn.Close()
			return c
		}
		if time.Now().After(end) {
			t.Fatalf("go-pluginserver does not listen: %v\n%s", err, log)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// client calls go-pluginserver in MessagePack, as Kong's mp_rpc.lua does.
type client struct {
	socket string
	pid    int
	log    *buffer
	id     int
}

// call calls a method and returns its result, or its error as text.
func (c *client) call(t *testing.T, method string, arg any) (result any, failed string) {
	t.Helper()
	conn, err := net.Dial("unix", c.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	handle := &codec.MsgpackHandle{}
	handle.RawToString = true
	handle.MapType = mapType
	c.id++
	if err := codec.NewEncoder(conn, handle).Encode([]any{0, c.id, method, []any{arg}}); err != nil {
		t.Fatal(err)
	}
	decoder := codec.NewDecoder(conn, handle)
	for {
		var message []any
		if err := decoder.Decode(&message); err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		if integer(message[0]) == 2 { // a notification
			if message[1] != "serverPid" || integer(message[2]) != c.pid {
				t.Fatalf("%s: notified of %v", method, message)
			}
			continue
		}
		if len(message) != 4 || integer(message[0]) != 1 || integer(message[1]) != c.id {
			t.Fatalf("%s: answered %v", method, message)
		}
		if message[2] != nil {
			return nil, fmt.Sprint(message[2])
		}
		return message[3], ""
	}
}

// integer is a number of MessagePack's, whatever its size.
func integer(v any) int {
	switch n := v.(type) {
	case int64:
		return int(n)
	case uint64:
		return int(n)
	}
	return -1
}

// buffer is what a process printed.
type buffer struct {
	mu   sync.Mutex
	text []byte
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p...)
	return len(p), nil
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.text)
}

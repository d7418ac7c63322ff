package e2e

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"mtls-auth/mtlsauth"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// readFrame and writeFrame are the protocol between the Lua plugin and the server.
func readFrame(c io.Reader) (object, error) {
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return nil, err
	}
	text := make([]byte, binary.LittleEndian.Uint32(head[:]))
	if _, err := io.ReadFull(c, text); err != nil {
		return nil, err
	}
	var o object
	return o, json.Unmarshal(text, &o)
}

func frame(text string) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))), text...)
}

func writeFrame(c io.Writer, o object) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = c.Write(frame(string(text)))
	return err
}

// pong is the server's answer to a ping.
type pong struct {
	epoch     string
	decisions int
}

func (r *rig) ping() pong {
	r.t.Helper()
	o := pingAt(r.t, r.socket)
	epoch, _ := o["epoch"].(string)
	decisions, ok := o["decisions"].(float64)
	if epoch == "" || !ok {
		r.t.Fatalf("the server answers a ping with %v", o)
	}
	return pong{epoch, int(decisions)}
}

// pingAt pings the server that listens on a socket.
func pingAt(t testing.TB, socket string) object {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := writeFrame(c, object{"op": "ping", "protocol": 3, "version": mtlsauth.Version}); err != nil {
		t.Fatal(err)
	}
	o, err := readFrame(c)
	if err != nil {
		t.Fatalf("the server answers a ping with %v (%v)", o, err)
	}
	return o
}

// settled waits until Kong's workers keep what is decided: they do from when they
// know the server's epoch.
func (r *rig) settled(path string, cert *pki.Certificate) {
	r.t.Helper()
	for range 500 {
		before := r.ping()
		for range 8 { // of which each worker gets some
			r.expect("to settle", r.get(path, cert), 200, "")
		}
		if r.ping() == before {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	r.t.Error("Kong's workers keep no decision")
}

// fakeServer answers the Lua plugin's questions about requests as it is told.
type fakeServer struct {
	listener net.Listener
	mu       sync.Mutex
	answer   func(c net.Conn, question object)
	asked    int // decide questions
}

func newFakeServer(t *testing.T, socket string) *fakeServer {
	t.Helper()
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	e := &fakeServer{listener: listener}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go e.serve(c)
		}
	}()
	return e
}

// serve answers workers that watch, so that they have an epoch and know that a server
// is there.
func (e *fakeServer) serve(c net.Conn) {
	defer c.Close()
	for {
		q, err := readFrame(c)
		if err != nil {
			return
		}
		if q["op"] == "watch" {
			if q["epoch"] == "fake" {
				time.Sleep(20 * time.Second)
			}
			if writeFrame(c, object{"epoch": "fake", "sessions": "fake"}) != nil {
				return
			}
			continue
		}
		e.mu.Lock()
		answer := e.answer
		e.asked++
		e.mu.Unlock()
		answer(c, q)
	}
}

// answers sets what comes of the next questions.
func (e *fakeServer) answers(answer func(c net.Conn, question object)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer, e.asked = answer, 0
}

func (e *fakeServer) questions() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.asked
}

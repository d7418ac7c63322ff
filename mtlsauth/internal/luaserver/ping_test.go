package luaserver

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/config"
)

// socketDir is a folder whose path is short enough for a socket.
func socketDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "ping")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// answering listens, and hands each connection over with the first question, read.
func answering(t *testing.T, answer func(c net.Conn, question []byte)) (path string) {
	t.Helper()
	path = filepath.Join(socketDir(t), "s")
	l, err := net.Listen("unix", path)
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
			if answer == nil {
				c.Close()
				continue
			}
			go func() {
				defer c.Close()
				var head [4]byte
				if _, err := io.ReadFull(c, head[:]); err != nil {
					return
				}
				question := make([]byte, binary.LittleEndian.Uint32(head[:]))
				if _, err := io.ReadFull(c, question); err == nil {
					answer(c, question)
				}
			}()
		}
	}()
	return path
}

func frameOf(payload string) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(payload))), payload...)
}

// TestPing: what is said of a server that decides, and why another one does not.
func TestPing(t *testing.T) {
	const good = `{"version":"1.2.3","pid":7,"lua_mode":true,"decisions":5,"policies":2,"deciding":4095,"max_deciding":4096}`
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	says := func(payload string) func(net.Conn, []byte) {
		return func(c net.Conn, _ []byte) { c.Write(frameOf(payload)) }
	}
	for _, test := range []struct {
		name   string
		answer func(net.Conn, []byte)
		want   string // of the error; "" for none
	}{
		{"a server", says(good), ""},
		{"an answer of 64 KiB", says(good + strings.Repeat(" ", 64<<10-len(good))), ""},
		{"of no bound", says(`{"version":"1.2.3","pid":7,"lua_mode":true,"decisions":5,"policies":2,"deciding":9}`), ""},
		{"an answer over 64 KiB", says(good + strings.Repeat(" ", 64<<10-len(good)+1)), "an answer of 65537 bytes"},
		{"an answer of no bytes", says(""), "an answer of 0 bytes"},
		{"no JSON", says("hello"), "is not an mtls-auth server: invalid character"},
		{"another program", says(`{"hello":1}`), `is not an mtls-auth server: it answers "{\"hello\":1}"`},
		{"without a process", says(`{"version":"1.2.3"}`), "is not an mtls-auth server: it answers"},
		{"without a version", says(`{"pid":7}`), "is not an mtls-auth server: it answers"},
		{"an error", says(`{"error":"of another protocol"}`), ": of another protocol"},
		{"all that it decides at once", says(strings.Replace(good, "4095", "4096", 1)), "(pid 7) is deciding 4096 requests, the most it does at once"},
		{"no answer", func(net.Conn, []byte) { <-ended }, "takes connections but gives no answer within"},
		{"an end instead of an answer", func(net.Conn, []byte) {}, "closes the connection"},
		{"an end within an answer", func(c net.Conn, _ []byte) { c.Write(frameOf(good)[:9]) }, "closes the connection"},
		{"an end within its length", func(c net.Conn, _ []byte) { c.Write([]byte{1, 0}) }, "closes the connection"},
	} {
		t.Run(test.name, func(t *testing.T) {
			within := time.Minute
			if test.name == "no answer" {
				within = 50 * time.Millisecond
			}
			path := answering(t, func(c net.Conn, question []byte) {
				if !bytes.Contains(question, fmt.Appendf(nil, `"op":"ping","protocol":%d,"version":%q`, Protocol, config.Version)) {
					t.Errorf("asked %s", question)
				}
				test.answer(c, question)
			})
			p, err := Ping(path, within)
			if test.want == "" {
				if want := (Pong{"1.2.3", 7, true, 5, 2}); err != nil || p != want {
					t.Errorf("got %+v, %v", p, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) || p != (Pong{}) {
				t.Errorf("got %+v, %v, want %q", p, err, test.want)
			}
		})
	}
}

// TestPingHangsUp: a server that closes before it was asked, or while it is, is one that
// does not answer this user. Which error that is depends on who is first.
func TestPingHangsUp(t *testing.T) {
	path := answering(t, nil)
	for range 100 {
		if _, err := Ping(path, time.Minute); err == nil || !strings.Contains(err.Error(), "closes the connection") {
			t.Fatalf("got %v", err)
		}
	}
}

// TestPingUnreachable: why there is nothing to ask.
func TestPingUnreachable(t *testing.T) {
	dir := socketDir(t)
	ended := filepath.Join(dir, "ended")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: ended, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	longest := dir + "/" + strings.Repeat("x", maxSocketPath-len(dir)-1)
	for _, test := range []struct{ name, path, want string }{
		{"no socket", filepath.Join(dir, "none"), "there is no socket at "},
		{"the longest path", longest, "there is no socket at "},
		{"a longer path", longest + "x", "has 108 bytes, more than the 107 of a Unix socket"},
		{"the socket of one that has ended", ended, "no server listens on the socket at "},
	} {
		if _, err := Ping(test.path, time.Minute); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
	for err, want := range map[error]string{fs.ErrPermission: "must not use the socket at s", errors.New("odd"): "connecting to s: odd"} {
		if got := unreachable("s", err).Error(); !strings.Contains(got, want) {
			t.Errorf("%v: got %s, want %q", err, got, want)
		}
	}
}

package luaserver

import (
	"net"
	"path/filepath"
	"testing"
)

type connected struct {
	*exchange
	conn *net.UnixConn
}

func (c connected) Peer() (*net.UnixConn, error) { return c.conn, nil }

// A process of this user is answered; who can not be told apart is not.
func TestWhoIsAnswered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	if err := permitted(connected{conn: conn}); err != nil {
		t.Errorf("a process of this user: %v", err)
	}
	conn.Close()
	if err := permitted(connected{conn: conn}); err == nil {
		t.Error("a peer that cannot be told is answered")
	}
	w := newWorld(t)
	w.AnyPeer = false
	e, ended := w.begin(question{Op: "ping", Protocol: 1})
	if said, ok := <-e.out; ok || <-ended == nil {
		t.Errorf("a peer that cannot be told is told %s", said)
	}
}

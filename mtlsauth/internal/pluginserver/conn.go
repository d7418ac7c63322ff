package pluginserver

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// conn is one connection of a Kong worker. It carries one call at a time.
type conn struct {
	net.Conn
	server *Server
	state  atomic.Int32

	reader  *bufio.Reader
	frame   []byte // the call that is read
	replies []byte // what Ask returned
	out     []byte // statements that were not written yet
	event   Event  // the one that runs
}

// keptBuffer is how much memory a connection between events keeps for the next one:
// enough for a certificate and its chain.
const keptBuffer = 16 << 10

// The states of a connection. Only one without a call is hung up on; a busy one sees
// it at the end of its call.
const (
	opened int32 = iota // no call has come yet
	idle
	busy
	hungUp
)

func newConn(s *Server, c net.Conn) *conn {
	return &conn{Conn: c, server: s, reader: bufio.NewReaderSize(c, 4096)}
}

// linger is how long a connection that was hung up on is still read. nginx
// closes an idle connection within milliseconds of its other side's end.
const linger = 500 * time.Millisecond

// hangUp ends an idle connection from our side. What Kong may have sent at the
// same moment is still read (see serve), so that it meets an orderly end of
// the stream, on which it asks another server, and not a reset, which is a 500.
//
// One that Kong has just opened is hung up on only at the end of the server: its first call
// may be StartInstance, which Kong does not repeat.
func (c *conn) hangUp() {
	if !c.state.CompareAndSwap(idle, hungUp) && !(c.server.draining.Load() && c.state.CompareAndSwap(opened, hungUp)) {
		return
	}
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	c.SetReadDeadline(time.Now().Add(linger))
}

// serve answers calls until Kong closes the connection, sends bytes that cannot be read as a call,
// names an unknown instance, or the server drains.
func (c *conn) serve() {
	defer c.Close()
	for {
		var err error
		c.frame, err = appendFrame(c.frame[:0], c.reader)
		if err != nil {
			if err != io.EOF && c.state.Load() != hungUp && !errors.Is(err, net.ErrClosed) {
				c.server.options.Log.Info("reading a call of Kong", "error", err)
			}
			return
		}
		if !c.state.CompareAndSwap(opened, busy) && !c.state.CompareAndSwap(idle, busy) {
			c.discardRest(linger)
			return
		}
		err = c.call()
		if errors.Is(err, errExited) {
			c.discardRest(kongsTimeout)
			return
		}
		if err != nil {
			level := slog.LevelWarn
			if c.event.broken || errors.Is(err, errUnknownInstance) || c.server.draining.Load() {
				level = slog.LevelInfo // Kong's own doing, after a restart, and at the end
			}
			c.server.options.Log.Log(context.Background(), level, "closing a connection of Kong", "error", err)
			return
		}
		for _, buffer := range []*[]byte{&c.frame, &c.replies, &c.out} {
			if cap(*buffer) > keptBuffer {
				*buffer = nil
			}
		}
		ends := (c.server.draining.Load() || c.server.replaced.Load()) && !c.asked()
		c.state.Store(idle)
		if ends {
			c.hangUp()
		}
	}
}

// asked reports whether the next call has come already: Kong takes a connection again as soon
// as it has its answer, and must have that call's too.
func (c *conn) asked() bool {
	if c.reader.Buffered() > 0 {
		return true
	}
	socket, ok := c.Conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	waiting := 0
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		waiting, _, _ = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	return err == nil && waiting > 0
}

// errUnknownInstance says that Kong named an instance of another process, or
// one that was given up. Closing the connection makes it start its own again.
var errUnknownInstance = errors.New("unknown instance")

// errExited says that Kong will close the connection, having its response.
var errExited = errors.New("exited")

// kongsTimeout is how long Kong waits for a plugin server by default.
const kongsTimeout = time.Minute

// discardRest reads until Kong closes, so that the end is orderly on its side:
// closing with unread bytes would reset the connection under its feet.
func (c *conn) discardRest(most time.Duration) {
	c.SetReadDeadline(time.Now().Add(most))
	io.Copy(io.Discard, c.reader)
}

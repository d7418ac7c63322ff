package pluginserver

import (
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"time"
)

// jsonPrefix is the first byte of every frame of the Lua plugin's protocol: that of a
// JSON object. As protobuf it would begin a group with number 15, which no call
// of Kong's has.
const jsonPrefix = '{'

func isJSON(frame []byte) bool { return len(frame) > 0 && frame[0] == jsonPrefix }

// Exchange is one question in JSON until its answer, on a connection
// that carries one after another. Frames are as Kong's: a little-endian length
// and so many bytes, 1 MiB at most.
type Exchange struct{ conn *conn }

// handleJSON serves a question.
func (c *conn) handleJSON() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	defer c.SetDeadline(time.Time{})
	return c.server.options.HandleJSON(&Exchange{c})
}

// Question is the frame that began the exchange. It is valid until Read.
func (e *Exchange) Question() []byte { return e.conn.frame }

// Read returns the next frame, which has to come before a deadline. It is valid
// until the next Read.
func (e *Exchange) Read(deadline time.Time) ([]byte, error) {
	c := e.conn
	c.SetReadDeadline(deadline)
	var err error
	c.frame, err = appendFrame(c.frame[:0], c.reader)
	if err == nil {
		// It is for the exchange alone; see hangUp.
		err = c.SetReadDeadline(time.Time{})
	}
	return c.frame, err
}

// maxWrite is how long the other side may take to read what is written: a worker
// of Kong that is busy with other things, seconds at the most.
const maxWrite = 10 * time.Second

// Write writes a frame. It may be called while another goroutine is in Read, but by
// one at a time.
func (e *Exchange) Write(payload []byte) error {
	if len(payload) > maxFrame {
		return tooLarge(len(payload))
	}
	frame := make([]byte, 4, 4+len(payload))
	frame = append(frame, payload...)
	putLength(frame)
	e.conn.SetWriteDeadline(time.Now().Add(maxWrite))
	_, err := e.conn.Write(frame)
	return err
}

// Draining is closed when the server is about to end: what can wait is to be
// asked of the next one.
func (e *Exchange) Draining() <-chan struct{} { return e.conn.server.drain }

// Peer returns the connection, to find out who is at its other side.
func (e *Exchange) Peer() (*net.UnixConn, error) {
	c, ok := e.conn.Conn.(*net.UnixConn)
	if !ok {
		return nil, errors.New("it is not a Unix socket")
	}
	return c, nil
}

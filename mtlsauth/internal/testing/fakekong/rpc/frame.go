package rpc

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"mtls-auth/mtlsauth/internal/testing/errlog"
)

// readBuffer is the buffer of Kong's cosockets (lua_socket_buffer_size).
const readBuffer = 4096

// conn is one connection from a worker to the plugin server's socket.
type conn struct {
	net.Conn
	r       *bufio.Reader
	timeout time.Duration
	log     *errlog.Log
	length  [4]byte
}

// socketError is what a cosocket operation failed with, in the words nginx has
// for it: "closed", "timeout", "connection reset by peer".
type socketError string

func (e socketError) Error() string { return string(e) }

const (
	errClosed  socketError = "closed"
	errTimeout socketError = "timeout"
)

// socketWords turns an error of Go's net into nginx's words.
func socketWords(err error) socketError {
	var errno syscall.Errno
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return errClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errTimeout
	case errors.As(err, &errno):
		return socketError(strings.ToLower(errno.Error()))
	}
	return socketError(err.Error())
}

// dial connects to a Unix socket: the kernel does so or refuses at once.
func dial(path string, read time.Duration, log *errlog.Log) (*conn, error) {
	c, err := net.Dial("unix", path)
	if err != nil {
		var errno syscall.Errno
		if errors.As(err, &errno) {
			level := errlog.Error
			if errno == syscall.ENOENT {
				level = errlog.Crit // as nginx logs it
			}
			log.Printf(level, "connect() to unix:%s failed (%s)", path, errnoText(errno))
		}
		return nil, socketWords(err)
	}
	return &conn{Conn: c, r: bufio.NewReaderSize(c, readBuffer), timeout: read, log: log}, nil
}

// errnoText writes an errno as nginx's log does: "111: Connection refused".
func errnoText(errno syscall.Errno) string {
	text := errno.Error()
	return fmt.Sprintf("%d: %s%s", int(errno), strings.ToUpper(text[:1]), text[1:])
}

// readFrame reads one frame. The time-out is Kong's: for each read, not for
// the event, so a plugin that says something now and then may take for ever.
func (c *conn) readFrame() ([]byte, error) {
	if err := c.fill(c.length[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(c.length[:])
	if n == 0 {
		return nil, nil
	}
	if n <= readBuffer {
		frame := make([]byte, n)
		return frame, c.fill(frame)
	}
	// The memory grows with what arrives, not with what was claimed.
	var frame bytes.Buffer
	for left := int64(n); left > 0; {
		c.arm()
		got, err := io.CopyN(&frame, c.r, min(left, 1<<16))
		if err != nil {
			return nil, c.failed(err)
		}
		left -= got
	}
	return frame.Bytes(), nil
}

func (c *conn) fill(b []byte) error {
	if c.r.Buffered() < len(b) {
		c.arm()
	}
	if _, err := io.ReadFull(c.r, b); err != nil {
		return c.failed(err)
	}
	return nil
}

func (c *conn) arm() {
	// An error here is one of a closed connection, which the read reports.
	_ = c.SetReadDeadline(time.Now().Add(c.timeout))
}

func (c *conn) failed(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		c.log.Printf(errlog.Error, "recv() failed (%s)", errnoText(errno))
	}
	return socketWords(err)
}

// writeFrame sends length and body in two writes, as Kong's pb_rpc.lua does.
// A failed send throws in Lua (it is an assert there), so it is a *thrown.
func (c *conn) writeFrame(body []byte) error {
	binary.LittleEndian.PutUint32(c.length[:], uint32(len(body)))
	err := c.send(c.length[:])
	if err == nil && len(body) > 0 {
		err = c.send(body)
	}
	return err
}

func (c *conn) send(b []byte) error {
	if _, err := c.Write(b); err != nil {
		var errno syscall.Errno
		if errors.As(err, &errno) {
			c.log.Printf(errlog.Error, "send() failed (%s)", errnoText(errno))
		}
		return &thrown{at: "pb_rpc.lua:264", text: socketWords(err).Error()}
	}
	return nil
}

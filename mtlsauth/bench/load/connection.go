package load

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// connection is one that a client keeps. What it reads stays until the next
// exchange.
type connection struct {
	*tls.Conn
	in      *bufio.Reader
	body    []byte
	closing bool // the other side is about to close it
}

func dial(address string, config *tls.Config, end time.Time) (*connection, error) {
	c, err := tls.Dial("tcp", address, config)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(end); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &connection{Conn: c, in: bufio.NewReaderSize(c, 16<<10)}, nil
}

// exchange writes a request and reads its answer (RFC 9112): one with a length,
// as upstream's and Kong's own have. Any but a 200 is an error that has its body.
func (c *connection) exchange(request []byte) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	status, err := line(c.in)
	if err != nil {
		return err
	}
	ok := bytes.HasPrefix(status, []byte("HTTP/1.1 200 "))
	var wrong string
	if !ok {
		wrong = string(status)
	}
	length := -1
	for {
		field, err := line(c.in)
		if err != nil {
			return err
		}
		if len(field) == 0 {
			break
		}
		name, value, _ := bytes.Cut(field, []byte(":"))
		switch value = bytes.TrimSpace(value); {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return fmt.Errorf("reading Content-Length: %w", err)
			}
		case bytes.EqualFold(name, []byte("Connection")):
			c.closing = bytes.EqualFold(value, []byte("close"))
		}
	}
	const most = 1 << 20 // of a body; upstream's are requests
	if length < 0 || length > most {
		return fmt.Errorf("the answer's length is %d", length)
	}
	c.body = append(c.body[:0], make([]byte, length)...)
	if _, err := io.ReadFull(c.in, c.body); err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("the answer is %s: %s", wrong, c.body)
	}
	return nil
}

// line reads a line without its end. It is there until the next.
func line(in *bufio.Reader) ([]byte, error) {
	b, err := in.ReadSlice('\n')
	return bytes.TrimRight(b, "\r\n"), err
}

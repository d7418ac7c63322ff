package load

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
)

// Shows is a request header, without its colon, by which upstream answers with
// the request that it got, but for the body, and not with "ok".
const Shows = "X-Bench-Show"

// Upstream answers requests on loopback.
type Upstream struct{ net.Listener }

// StartUpstream starts an upstream.
func StartUpstream() (*Upstream, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	u := &Upstream{l}
	go u.serve()
	return u, nil
}

// Address returns the upstream's host:port.
func (u *Upstream) Address() string { return u.Addr().String() }

func (u *Upstream) serve() {
	for {
		c, err := u.Accept()
		if err != nil {
			return // closed
		}
		go func() {
			defer c.Close()
			answer(c)
		}()
	}
}

var (
	okAnswer = []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	shows    = []byte(Shows + ":")
)

// answer answers requests without a body until the other side has no more.
func answer(c net.Conn) {
	in := bufio.NewReaderSize(c, 16<<10)
	var head []byte
	for {
		head = head[:0]
		show := false
		for {
			field, err := line(in)
			if err != nil {
				return
			}
			if len(field) == 0 {
				break
			}
			show = show || len(field) >= len(shows) && bytes.EqualFold(field[:len(shows)], shows)
			head = append(append(head, field...), '\n')
		}
		out := okAnswer
		if show {
			out = fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(head), head)
		}
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

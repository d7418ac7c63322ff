package load

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"

	"mtls-auth/mtlsauth/bench/role"
)

// Shows is a request header, without its colon, by which upstream answers with
// the request that it got, but for the body, and not with "ok".
const Shows = "X-Bench-Show"

// StartUpstream starts an upstream in a process of its own and returns its
// host:port, on loopback.
func StartUpstream() (*role.Process, string, error) {
	p, err := role.Run("upstream", nil)
	if err != nil {
		return nil, "", err
	}
	var address string
	return p, address, p.Do("address", nil, &address)
}

type upstream struct{ net.Listener }

func startUpstream(any) (role.Part, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	u := upstream{l}
	go u.serve()
	return u, nil
}

func (u upstream) Do(command string, _ json.RawMessage) (any, error) {
	if command != "address" {
		return nil, fmt.Errorf("no such command: %q", command)
	}
	return u.Addr().String(), nil
}

func (u upstream) serve() {
	for {
		c, err := u.Accept()
		if err != nil {
			return // closed; of whatever else, Kong's answers will tell
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

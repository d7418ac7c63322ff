package fetch_test

import (
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/fetch"
)

// Those tests that run beside others mostly wait: more at once than there are processors.
func TestMain(m *testing.M) {
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		parallel.Value.Set("8")
	}
	os.Exit(m.Run())
}

// These tests wait for a deadline of 200 ms, and allow a busy machine 30 s.
const (
	short = 200 * time.Millisecond
	late  = 30 * time.Second
)

// stalls are servers that stop somewhere. Each is told when the client's side
// of its connection ends.
var stalls = []struct {
	name string
	// server speaks until it stalls.
	server func(net.Conn)
	url    string // ADDR stands for the server's address
	how    fetch.How
	want   fetch.Kind
}{
	{"TLS handshake", func(net.Conn) {}, "https://ADDR", fetch.How{}, fetch.Connect},
	{"tunnel", func(net.Conn) {}, "https://ocsp.invalid", fetch.How{HTTPSProxy: "ADDR"}, fetch.Connect},
	{"header of a tunnel", func(c net.Conn) { readHeader(c); io.WriteString(c, "HTTP/1.1 200 OK\r\n") }, "https://ocsp.invalid", fetch.How{HTTPSProxy: "ADDR"}, fetch.Connect},
	{"TLS handshake in a tunnel", func(c net.Conn) { readHeader(c); io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n") }, "https://ocsp.invalid", fetch.How{HTTPSProxy: "ADDR"}, fetch.Connect},
	{"no answer", func(c net.Conn) { readHeader(c) }, "http://ADDR", fetch.How{}, fetch.Timeout},
	{"no answer by a proxy", func(c net.Conn) { readHeader(c) }, "http://ocsp.invalid", fetch.How{HTTPProxy: "ADDR"}, fetch.Timeout},
	{"header", func(c net.Conn) { readHeader(c); io.WriteString(c, "HTTP/1.1 200 OK\r\nX: ") }, "http://ADDR", fetch.How{}, fetch.Timeout},
	{"body", func(c net.Conn) { readHeader(c); io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") }, "http://ADDR", fetch.How{}, fetch.Timeout},
	{"body without length", func(c net.Conn) { readHeader(c); io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nabc") }, "http://ADDR", fetch.How{}, fetch.Timeout},
	{"chunk", func(c net.Conn) {
		readHeader(c)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
	}, "http://ADDR", fetch.How{}, fetch.Timeout},
	{"drops of a header", func(c net.Conn) {
		readHeader(c)
		io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for drip(c, "X: y\r\n") {
		}
	}, "http://ADDR", fetch.How{}, fetch.Timeout},
	{"drops of a body", func(c net.Conn) {
		readHeader(c)
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		for drip(c, "x") {
		}
	}, "http://ADDR", fetch.How{}, fetch.Timeout},
}

func drip(c net.Conn, text string) bool {
	time.Sleep(10 * time.Millisecond)
	_, err := io.WriteString(c, text)
	return err == nil
}

// TestDeadline: whatever stops, the deadline ends it, and the connection with
// it: net/http alone would leave a handshake or a tunnel to go on.
func TestDeadline(t *testing.T) {
	for _, test := range stalls {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			closed := make(chan error, 100)
			addr := answering(t, func(conn net.Conn) {
				test.server(conn)
				// Until the client closes.
				_, err := io.Copy(io.Discard, conn)
				closed <- err
			})
			how := fetch.How{HTTPProxy: strings.ReplaceAll(test.how.HTTPProxy, "ADDR", addr), HTTPSProxy: strings.ReplaceAll(test.how.HTTPSProxy, "ADDR", addr)}
			c := newClient(t, fetch.Options{})
			var err error
			// A busy machine may need longer to come to where it stops.
			for deadline := short; deadline < late/3; deadline *= 3 {
				started := time.Now()
				err = read(within(t, deadline), c, strings.ReplaceAll(test.url, "ADDR", addr), how)
				if took := time.Since(started); took < deadline || took > late {
					t.Errorf("it took %v", took)
				}
				if fetch.KindOf(err) == test.want {
					break
				}
			}
			wantKind(t, "the end", err, test.want)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, which is no context.DeadlineExceeded", err)
			}
			select {
			case err := <-closed:
				if errors.Is(err, context.DeadlineExceeded) {
					t.Error("the connection did not end")
				}
			case <-time.After(late):
				t.Error("the connection did not end")
			}
		})
	}
}

// TestCanceled: a caller that gives up says nothing about the host.
func TestCanceled(t *testing.T) {
	for _, test := range stalls {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			addr := answering(t, func(conn net.Conn) { test.server(conn); io.Copy(io.Discard, conn) })
			how := fetch.How{HTTPProxy: strings.ReplaceAll(test.how.HTTPProxy, "ADDR", addr), HTTPSProxy: strings.ReplaceAll(test.how.HTTPSProxy, "ADDR", addr)}
			ctx, cancel := context.WithCancel(soon(t))
			time.AfterFunc(short, cancel)
			started := time.Now()
			err := read(ctx, newClient(t, fetch.Options{}), strings.ReplaceAll(test.url, "ADDR", addr), how)
			wantKind(t, "the end", err, fetch.Canceled)
			if !errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(started); took > late {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// read makes an exchange and reads all of its body.
func read(ctx context.Context, c *fetch.Client, url string, how fetch.How) error {
	response, err := c.Do(ctx, fetch.Request{URL: url}, how, limit)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// TestLateFromTheStart: nothing is tried, so that it is no failure to connect.
func TestLateFromTheStart(t *testing.T) {
	s := serve(t, unasked(t))
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	wantKind(t, "late", read(ctx, newClient(t, fetch.Options{}), s.URL, fetch.How{}), fetch.Timeout)
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	wantKind(t, "canceled", read(ctx, newClient(t, fetch.Options{}), s.URL, fetch.How{}), fetch.Canceled)
}

// TestCause: a context's own cause does not hide that it was the deadline.
func TestCause(t *testing.T) {
	addr := answering(t, func(conn net.Conn) { io.Copy(io.Discard, conn) })
	ctx, cancel := context.WithTimeoutCause(t.Context(), short, errors.New("enough"))
	defer cancel()
	err := read(ctx, newClient(t, fetch.Options{}), "http://"+addr, fetch.How{})
	wantKind(t, "the end", err, fetch.Timeout)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestBodyAfterDeadline: what has arrived by then is not handed out either.
func TestBodyAfterDeadline(t *testing.T) {
	addr := answering(t, func(conn net.Conn) {
		readHeader(conn)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef")
		io.Copy(io.Discard, conn)
	})
	ctx := within(t, short)
	response, err := newClient(t, fetch.Options{}).Do(ctx, fetch.Request{URL: "http://" + addr}, fetch.How{}, limit)
	if err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	for range 2 {
		n, err := response.Body.Read(make([]byte, 10))
		if n != 0 {
			t.Errorf("got %d bytes", n)
		}
		wantKind(t, "reading", err, fetch.Timeout)
	}
}

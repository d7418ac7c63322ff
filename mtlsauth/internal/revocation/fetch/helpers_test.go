package fetch_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/fetch"
)

const limit = 1 << 16

// within ends with the test at the latest.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func soon(t testing.TB) context.Context {
	t.Helper()
	return within(t, late)
}

func newClient(t testing.TB, o fetch.Options) *fetch.Client {
	t.Helper()
	c := fetch.New(o)
	c.LoopbackOnly(func(address string) { t.Errorf("a connection to %s would have been made", address) })
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// do makes an exchange and reads its body.
func do(t testing.TB, c *fetch.Client, r fetch.Request, how fetch.How) (*fetch.Response, string, error) {
	t.Helper()
	response, err := c.Do(soon(t), r, how, limit)
	if err != nil {
		if response != nil {
			t.Errorf("got a response with %v", err)
		}
		return nil, "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return response, string(content), err
}

func get(t testing.TB, c *fetch.Client, url string) (string, error) {
	t.Helper()
	_, content, err := do(t, c, fetch.Request{URL: url}, fetch.How{})
	return content, err
}

func wantKind(t testing.TB, what string, err error, want fetch.Kind) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: got no error, want one of kind %v", what, want)
		return
	}
	e, ok := errors.AsType[*fetch.Error](err)
	if !ok {
		t.Errorf("%s: got a %T, want a *fetch.Error", what, err)
		return
	}
	if e.Kind != want {
		t.Errorf("%s: got kind %v, want %v (%v)", what, e.Kind, want, err)
	}
}

// serve starts an HTTP server at 127.0.0.1.
func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// serveAt starts an HTTP server at another loopback address, with a port of
// its own for port 0.
func serveAt(t testing.TB, host string, port uint16, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close()
	var err error
	if s.Listener, err = net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(int(port)))); err != nil {
		t.Skipf("SKIPPED: nothing can listen at %s: %v", host, err)
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// unasked is the handler of a server that must not be reached.
func unasked(t testing.TB) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) { t.Errorf("it was asked for %s", r.RequestURI) }
}

// answering listens at 127.0.0.1 and hands each connection to a function, which
// speaks as it likes. The connections end with the test.
func answering(t testing.TB, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(2 * late))
				f(conn)
			})
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	return l.Addr().String()
}

// readHeader reads a request without a body.
func readHeader(conn net.Conn) string {
	var header strings.Builder
	for b := make([]byte, 1); !strings.HasSuffix(header.String(), "\r\n\r\n"); header.Write(b) {
		if _, err := conn.Read(b); err != nil {
			return ""
		}
	}
	return header.String()
}

func addrPort(t testing.TB, s *httptest.Server) netip.AddrPort {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return netip.MustParseAddrPort(u.Host)
}

// named is the address of a server under a name of the test's DNS.
func named(t testing.TB, name string, s *httptest.Server) string {
	t.Helper()
	return "http://" + name + ":" + strconv.Itoa(int(addrPort(t, s).Port()))
}

// dns is a resolver that asks the function for each name, and no other. The
// function gets the name without a dot at its end; no addresses mean that there
// is no such name.
func dns(t testing.TB, lookup func(name string) []string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go answerDNS(ours, lookup)
		return theirs, nil
	}}
}

// answerDNS answers queries in the framing of RFC 1035, section 4.2.2.
func answerDNS(conn net.Conn, lookup func(string) []string) {
	defer conn.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		var labels []string
		at := 12
		for query[at] != 0 {
			n := int(query[at])
			labels = append(labels, string(query[at+1:at+1+n]))
			at += 1 + n
		}
		question := query[12 : at+5]
		wanted := binary.BigEndian.Uint16(query[at+1:])
		found := lookup(strings.Join(labels, "."))
		var records []byte
		var count uint16
		for _, text := range found {
			addr, kind := netip.MustParseAddr(text), uint16(28) // AAAA
			if addr.Is4() {
				kind = 1 // A
			}
			if kind != wanted {
				continue
			}
			data := addr.AsSlice()
			records = append(records, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(data)))
			records = append(records, data...)
			count++
		}
		flags := uint16(0x8180)
		if found == nil {
			flags |= 3 // no such name
		}
		reply := append([]byte{}, query[:2]...)
		for _, n := range []uint16{flags, 1, count, 0, 0} {
			reply = binary.BigEndian.AppendUint16(reply, n)
		}
		reply = append(append(reply, question...), records...)
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

// discard is for servers whose complaints are expected.
var discard = log.New(io.Discard, "", 0)

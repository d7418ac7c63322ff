package fetch_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// counting has a server count its connections: those made and those open.
type counting struct{ made, open atomic.Int32 }

func (n *counting) state(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		n.made.Add(1)
		n.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		n.open.Add(-1)
	}
}

func serveCounting(t *testing.T, h http.HandlerFunc) (string, *counting) {
	t.Helper()
	n := &counting{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h, ConnState: n.state, ErrorLog: discard}
	var running sync.WaitGroup
	running.Go(func() { server.Serve(l) })
	t.Cleanup(func() { server.Close(); running.Wait() })
	return "http://" + l.Addr().String(), n
}

// eventually waits for what another goroutine is about to do.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(late); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("not within %v: %s", late, what)
			return
		}
	}
}

func TestReuse(t *testing.T) {
	url, n := serveCounting(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("If-None-Match") != "":
			w.WriteHeader(http.StatusNotModified)
		case r.URL.Path == "/redirect":
			w.Header().Set("Location", "/")
			w.Header().Set("Content-Length", "0")
			w.WriteHeader(http.StatusFound)
		default:
			io.WriteString(w, "an answer")
		}
	})
	c := newClient(t, fetch.Options{})
	for _, request := range []fetch.Request{
		{}, {Method: "POST", Body: []byte("question")}, {IfNoneMatch: `"e"`}, {URL: "/redirect"}, {},
	} {
		request.URL = url + request.URL
		if _, _, err := do(t, c, request, fetch.How{}); err != nil {
			t.Error(err)
		}
	}
	if made := n.made.Load(); made != 1 {
		t.Errorf("got %d connections, want 1", made)
	}
	c.CloseIdleConnections()
	eventually(t, "the idle connection is closed", func() bool { return n.open.Load() == 0 })
}

// TestReuseTLS: handshakes are what costs.
func TestReuseTLS(t *testing.T) {
	ca := pki.NewCA("web")
	var mu sync.Mutex
	from := map[string]bool{}
	s := serveTLS(t, ca, func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		from[r.RemoteAddr] = true
	})
	c := newClient(t, fetch.Options{Roots: pool(ca)})
	for range 3 {
		if _, _, err := do(t, c, fetch.Request{URL: s.URL}, fetch.How{SSLVerify: true}); err != nil {
			t.Error(err)
		}
	}
	if len(from) != 1 {
		t.Errorf("got %d connections, want 1", len(from))
	}
}

// TestUnread: a body that was not read to its end takes its connection along,
// and is not waited for.
func TestUnread(t *testing.T) {
	url, n := serveCounting(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gone" {
			w.WriteHeader(http.StatusGone)
		}
		io.WriteString(w, "a")
		w.(http.Flusher).Flush()
		<-r.Context().Done() // until the client closes
	})
	c := newClient(t, fetch.Options{})
	for _, path := range []string{"/", "/gone"} {
		started := time.Now()
		response, err := c.Do(soon(t), fetch.Request{URL: url + path}, fetch.How{}, limit)
		if path == "/gone" {
			wantKind(t, path, err, fetch.Status)
		} else if err != nil {
			t.Fatal(err)
		} else {
			response.Body.Close()
		}
		if took := time.Since(started); took > late {
			t.Errorf("%s: it took %v", path, took)
		}
		eventually(t, "the connection is closed", func() bool { return n.open.Load() == 0 })
	}
}

// TestTransportsBounded: plugins may name any number of proxies.
func TestTransportsBounded(t *testing.T) {
	c := newClient(t, fetch.Options{})
	for i := range 3 * fetch.MaxTransports {
		c.Transport(fetch.How{HTTPProxy: fmt.Sprintf("proxy.invalid:%d", i+1)})
		if got := c.Transports(); got > fetch.MaxTransports {
			t.Fatalf("%d are kept, want at most %d", got, fetch.MaxTransports)
		}
	}
}

// TestIdleBounded: of connections to many hosts, some are kept.
func TestIdleBounded(t *testing.T) {
	url, n := serveCounting(t, func(http.ResponseWriter, *http.Request) {})
	c := newClient(t, fetch.Options{})
	c.UseResolver(dns(t, func(string) []string { return []string{"127.0.0.1"} }))
	for i := range fetch.MaxIdle + 10 {
		if _, err := get(t, c, strings.Replace(url, "127.0.0.1", fmt.Sprintf("crl%d.test", i), 1)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the oldest are closed", func() bool { return n.open.Load() == fetch.MaxIdle })
}

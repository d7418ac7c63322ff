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

// TestTransportsBounded: of many ways of asking the last ones keep their
// connections, those of the others end, in use or not.
func TestTransportsBounded(t *testing.T) {
	held := make(chan struct{})
	url, n := serveCounting(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/held" {
			<-held
		}
		io.WriteString(w, "an answer")
	})
	c := newClient(t, fetch.Options{})
	// The proxy is for https, so that http goes to the server itself.
	how := func(i int) fetch.How { return fetch.How{HTTPSProxy: fmt.Sprintf("proxy.invalid:%d", i+1)} }
	var inUse sync.WaitGroup
	inUse.Go(func() {
		if _, content, err := do(t, c, fetch.Request{URL: url + "/held"}, how(0)); err != nil || content != "an answer" {
			t.Errorf("got %q, %v", content, err)
		}
	})
	eventually(t, "the first exchange", func() bool { return n.open.Load() == 1 })
	for i := 1; i < 3*fetch.MaxTransports; i++ {
		if _, _, err := do(t, c, fetch.Request{URL: url}, how(i)); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.Transports(); got != fetch.MaxTransports {
		t.Errorf("%d are kept, want %d", got, fetch.MaxTransports)
	}
	eventually(t, "the others are closed, but the one in use", func() bool { return n.open.Load() == fetch.MaxTransports+1 })
	close(held)
	inUse.Wait()
	eventually(t, "the one that was in use is closed", func() bool { return n.open.Load() == fetch.MaxTransports })

	// What was used last is still there.
	made := n.made.Load()
	for i := 2 * fetch.MaxTransports; i < 3*fetch.MaxTransports; i++ {
		if _, _, err := do(t, c, fetch.Request{URL: url}, how(i)); err != nil {
			t.Fatal(err)
		}
	}
	if got := n.made.Load(); got != made {
		t.Errorf("%d new connections", got-made)
	}
}

// TestTransportsByUse: it is use that counts, not age.
func TestTransportsByUse(t *testing.T) {
	url, n := serveCounting(t, func(http.ResponseWriter, *http.Request) {})
	c := newClient(t, fetch.Options{})
	for i := range 2 * fetch.MaxTransports {
		for _, how := range []fetch.How{{}, {HTTPSProxy: fmt.Sprintf("proxy.invalid:%d", i+1)}} {
			if _, _, err := do(t, c, fetch.Request{URL: url}, how); err != nil {
				t.Fatal(err)
			}
		}
	}
	if made := n.made.Load(); made != 2*fetch.MaxTransports+1 {
		t.Errorf("got %d connections, want %d", made, 2*fetch.MaxTransports+1)
	}
}

// TestEvictedMeanwhile: an exchange that begins just when its way of asking
// makes room leaves no connection behind.
func TestEvictedMeanwhile(t *testing.T) {
	url, n := serveCounting(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "an answer") })
	c := newClient(t, fetch.Options{})
	evicted := c.Transport(fetch.How{})
	for i := range fetch.MaxTransports {
		c.Transport(fetch.How{HTTPProxy: fmt.Sprintf("proxy.invalid:%d", i+1)})
	}
	request, err := http.NewRequestWithContext(soon(t), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := evicted.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
	eventually(t, "the connection is closed", func() bool { return n.open.Load() == 0 })
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

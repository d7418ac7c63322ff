package fetch_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/pkitest"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
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
	ca := pkitest.NewCA("web")
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

// TestSlowHost: a host that answers nobody holds a bounded number of
// connections, holds up nobody else, and who waits in vain is told that it was
// our bound.
func TestSlowHost(t *testing.T) {
	held := make(chan struct{})
	slow, n := serveCounting(t, func(w http.ResponseWriter, r *http.Request) {
		<-held
		io.WriteString(w, "at last")
	})
	other := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "at once") })
	c := newClient(t, fetch.Options{})
	var waiting sync.WaitGroup
	var answered atomic.Int32
	for range fetch.MaxPerHost + 10 {
		waiting.Go(func() {
			if _, content, err := do(t, c, fetch.Request{URL: slow}, fetch.How{}); err != nil || content != "at last" {
				t.Errorf("got %q, %v", content, err)
				return
			}
			answered.Add(1)
		})
	}
	eventually(t, "the host is full", func() bool { return n.open.Load() == fetch.MaxPerHost })

	wantKind(t, "the next one", read(within(t, short), c, slow, fetch.How{}), fetch.Busy)
	ctx, cancel := context.WithCancel(soon(t))
	time.AfterFunc(short, cancel)
	wantKind(t, "one that gives up", read(ctx, c, slow, fetch.How{}), fetch.Canceled)
	if open := n.open.Load(); open != fetch.MaxPerHost {
		t.Errorf("got %d connections, want %d", open, fetch.MaxPerHost)
	}
	for _, request := range []struct {
		url string
		how fetch.How
	}{
		{other.URL, fetch.How{}},
		// By another way the same host is another.
		{slow, fetch.How{HTTPProxy: strings.TrimPrefix(other.URL, "http://")}},
	} {
		if _, content, err := do(t, c, fetch.Request{URL: request.url}, request.how); err != nil || content != "at once" {
			t.Errorf("%v: got %q, %v", request, content, err)
		}
	}
	close(held)
	waiting.Wait()
	if got := answered.Load(); got != fetch.MaxPerHost+10 {
		t.Errorf("%d were answered, want %d", got, fetch.MaxPerHost+10)
	}
	if c.Gates() != 0 {
		t.Errorf("%d hosts are still counted", c.Gates())
	}
}

// TestRedirectHoldsOnePlace: a redirect leaves the host it comes from, or hosts
// that redirect to each other could wait for each other.
func TestRedirectHoldsOnePlace(t *testing.T) {
	var a, b string
	var asked atomic.Int32
	to := func(there *string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			if r.URL.Path == "/" {
				time.Sleep(10 * time.Millisecond) // so that all are under way at once
				http.Redirect(w, r, *there+"/end", http.StatusFound)
			}
		}
	}
	a, b = serve(t, to(&b)).URL, serve(t, to(&a)).URL
	c := newClient(t, fetch.Options{})
	var all sync.WaitGroup
	for i := range 4 * fetch.MaxPerHost {
		all.Go(func() {
			if _, err := get(t, c, []string{a, b}[i%2]+"/"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := asked.Load(); got != 8*fetch.MaxPerHost {
		t.Errorf("got %d requests, want %d", got, 8*fetch.MaxPerHost)
	}
}

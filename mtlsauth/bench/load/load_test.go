package load_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"mtls-auth/mtlsauth/bench/load"
	"mtls-auth/mtlsauth/bench/role"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func TestMain(m *testing.M) {
	role.Main(load.Roles)
	os.Exit(m.Run())
}

// seen is what a listener saw.
type seen struct {
	mu        sync.Mutex
	requests  int
	remotes   map[string]bool
	unlike    []string         // requests that are not the one that was asked for
	presented *pki.Certificate // what clients are to show
}

func (s *seen) add(r *http.Request) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	s.remotes[r.RemoteAddr] = true
	if r.Method != "GET" || r.URL.Path != "/path" || r.Header.Get("Apikey") != "secret" || r.TLS.Version != tls.VersionTLS13 ||
		!r.TLS.PeerCertificates[0].Equal(s.presented.TLS().Leaf) {
		s.unlike = append(s.unlike, r.URL.Path)
	}
	return s.requests
}

// listen serves TLS, with the number of the request at hand, and starts clients
// that show a certificate.
func listen(t *testing.T, handler func(w http.ResponseWriter, n int)) (load.Clients, *seen) {
	t.Helper()
	s := &seen{remotes: map[string]bool{}, presented: pki.NewCA("ca").Client("client")}
	own := pki.NewSelfSigned("localhost", pki.DNS("localhost"), pki.ExtKeyUsage())
	l := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler(w, s.add(r)) }))
	l.TLS = &tls.Config{Certificates: []tls.Certificate{own.TLS()}, ClientAuth: tls.RequireAnyClientCert}
	l.StartTLS()
	t.Cleanup(l.Close)
	c, err := load.Start(load.Options{
		Address: l.Listener.Addr().String(), Root: own.PEM(), Cert: s.presented.PEM(), Key: s.presented.KeyPEM(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, s
}

const request = "GET /path HTTP/1.1\r\nHost: localhost\r\nApikey: secret\r\n\r\n"

// As many requests are made as were asked for, over connections that are kept
// until the other side says that it closes one.
func TestRun(t *testing.T) {
	clients, seen := listen(t, func(w http.ResponseWriter, n int) {
		if n == 40 {
			w.Header().Set("Connection", "close")
		}
		io.WriteString(w, "hello")
	})
	r, err := clients.Run(load.Job{Request: request, Connections: 3, Lasts: time.Hour, Most: 90})
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests != 90 || seen.requests != 90 || r.P50 <= 0 || r.Most < r.P99 || r.Took < r.Most {
		t.Errorf("%d requests arrived, and of 90 that were asked for the result is %+v", seen.requests, r)
	}
	// The one that is closed may have been the last of its client.
	if n := len(seen.remotes); n < 3 || n > 4 {
		t.Errorf("%d connections, want three and one in the place of that which was closed", n)
	}
	before := len(seen.remotes)
	if r, err = clients.Run(load.Job{Request: request, Connections: 3, Lasts: time.Hour, Most: 30}); err != nil || r.Requests != 30 {
		t.Errorf("once more: %+v (%v)", r, err)
	}
	if n := len(seen.remotes); before == 4 && n != 4 || n > 4 {
		t.Errorf("%d connections, after once more %d", before, n)
	}
	if len(seen.unlike) > 0 {
		t.Errorf("requests that nobody asked for, or without the certificate: %q", seen.unlike)
	}
}

func TestRunEnds(t *testing.T) {
	clients, seen := listen(t, func(http.ResponseWriter, int) {})
	r, err := clients.Run(load.Job{Request: request, Connections: 2, Lasts: 50 * time.Millisecond, Most: 1 << 18})
	if err != nil || r.Requests == 0 || r.Requests == 1<<18 || r.Requests != seen.requests {
		t.Errorf("%d requests arrived, the result is %+v (%v)", seen.requests, r, err)
	}
}

// One answer that is not the right one ends it for all clients, and is told.
func TestAnswersThatAreWrong(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(w http.ResponseWriter)
		want   string
	}{
		"refused":        {func(w http.ResponseWriter) { http.Error(w, "not you", http.StatusUnauthorized) }, "401 Unauthorized: not you"},
		"without length": {func(w http.ResponseWriter) { w.(http.Flusher).Flush() }, "length"},
		"none":           {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		clients, seen := listen(t, func(w http.ResponseWriter, n int) {
			if n == 6 {
				test.answer(w)
			}
		})
		r, err := clients.Run(load.Job{Request: request, Connections: 2, Lasts: time.Hour, Most: 1000})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %+v, %v, want %q", name, r, err, test.want)
		}
		if seen.requests == 1000 {
			t.Errorf("%s: all the others were made as well", name)
		}
	}
}

func TestUpstream(t *testing.T) {
	p, address, err := load.StartUpstream()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const plain = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	shown := "GET / HTTP/1.1\r\nHost: a\r\nx-bench-show: 1\r\nX-Client-Cert-Dn: CN=client\r\n\r\n"
	if _, err := io.WriteString(c, plain+shown+plain); err != nil {
		t.Fatal(err)
	}
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	want := ok + "HTTP/1.1 200 OK\r\nContent-Length: 67\r\n\r\n" + strings.ReplaceAll(strings.TrimSuffix(shown, "\r\n"), "\r\n", "\n") + ok
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
}

func TestGet(t *testing.T) {
	clients, _ := listen(t, func(w http.ResponseWriter, n int) {
		if n > 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
		io.WriteString(w, "body")
	})
	if body, err := clients.Get(request); err != nil || body != "body" {
		t.Errorf("got %q (%v)", body, err)
	}
	if body, err := clients.Get(request); err == nil {
		t.Errorf("of a 500: got %q", body)
	}
}

func TestOptionsThatAreWrong(t *testing.T) {
	own := pki.NewCA("ca").Client("client")
	for name, o := range map[string]load.Options{
		"another's key": {Root: own.PEM(), Cert: own.PEM(), Key: pki.NewCA("b").KeyPEM()},
		"no root":       {Cert: own.PEM(), Key: own.KeyPEM()},
	} {
		if c, err := load.Start(o); err == nil {
			c.Close()
			t.Errorf("%s: no error", name)
		}
	}
}

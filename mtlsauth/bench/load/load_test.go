package load

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

const request = "GET /path HTTP/1.1\r\nHost: localhost\r\n\r\n"

// seen counts what a listener saw.
type seen struct {
	mu       sync.Mutex
	requests int
	remotes  map[string]bool
	resumed  int
}

// listen serves TLS and returns clients for it.
func listen(t *testing.T, serve http.HandlerFunc, change func(*tls.Config)) (*Clients, *seen) {
	t.Helper()
	s := &seen{remotes: map[string]bool{}}
	client := pki.NewCA("ca").Client("client")
	own := pki.NewSelfSigned("localhost", pki.DNS("localhost"), pki.ExtKeyUsage())
	l := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests++
		s.remotes[r.RemoteAddr] = true
		if r.TLS.DidResume {
			s.resumed++
		}
		s.mu.Unlock()
		serve(w, r)
	}))
	l.TLS = &tls.Config{Certificates: []tls.Certificate{own.TLS()}, ClientAuth: tls.RequireAnyClientCert}
	if change != nil {
		change(l.TLS)
	}
	l.StartTLS()
	t.Cleanup(l.Close)
	c, err := NewClients(l.Listener.Addr().String(), []byte(own.PEM()), client.TLS())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, s
}

func hello(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }

func TestRun(t *testing.T) {
	for _, test := range []struct {
		name string
		how  Connections
		// On a slow machine a client may not come to its first request.
		connections func(requests int) (least, most int)
		resumed     func(requests int) int
	}{
		{"kept", Kept, func(int) (int, int) { return 1, Kept.clients() }, func(int) int { return 0 }},
		{"new", New, func(n int) (int, int) { return n, n }, func(int) int { return 0 }},
		{"resumed", Resumed, func(n int) (int, int) { return n + 1, n + Resumed.clients() }, func(n int) int { return n }},
	} {
		t.Run(test.name, func(t *testing.T) {
			clients, seen := listen(t, hello, nil)
			r, err := clients.Run(Job{Request: request, Lasts: 50 * time.Millisecond, How: test.how})
			if err != nil {
				t.Fatal(err)
			}
			if r.Requests == 0 || r.Rate() <= 0 || r.Median() <= 0 {
				t.Errorf("the result is %+v", r)
			}
			least, most := test.connections(r.Requests)
			if got := len(seen.remotes); got < least || got > most {
				t.Errorf("%d connections, want %d to %d", got, least, most)
			}
			if got, want := seen.resumed, test.resumed(r.Requests); got != want {
				t.Errorf("%d requests over resumed sessions, want %d of %d", got, want, r.Requests)
			}
		})
	}
}

func TestRunFails(t *testing.T) {
	for _, test := range []struct {
		name   string
		how    Connections
		serve  http.HandlerFunc
		change func(*tls.Config)
		want   string
	}{
		{"refused", Kept, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "not you", http.StatusUnauthorized) }, nil, "401 Unauthorized: not you"},
		{"no length", New, func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() }, nil, "length"},
		{"closed", Kept, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, "EOF"},
		{"not resumed", Resumed, hello, func(c *tls.Config) { c.SessionTicketsDisabled = true }, "not resumed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			clients, _ := listen(t, test.serve, test.change)
			_, err := clients.Run(Job{Request: request, Lasts: 50 * time.Millisecond, How: test.how})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestUpstream(t *testing.T) {
	u, err := StartUpstream()
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	for _, test := range []struct{ name, header, want string }{
		{"plain", "", "ok"},
		{"shows the request", Shows, "GET / HTTP/1.1\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			req, err := http.NewRequest("GET", "http://"+u.Address()+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.header != "" {
				req.Header.Set(test.header, "1")
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if body, _ := io.ReadAll(resp.Body); !strings.HasPrefix(string(body), test.want) {
				t.Errorf("got %q, want %q", body, test.want)
			}
		})
	}
}

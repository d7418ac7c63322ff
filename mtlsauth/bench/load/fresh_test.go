package load_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mtls-auth/mtlsauth/bench/load"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// freshListen serves TLS and starts clients that have further certificates. seen
// gets the name in the certificate and the connection of each request, of which the
// sixth at "/sixth" is refused.
func freshListen(t *testing.T, names []string, seen chan<- [2]string) load.Clients {
	t.Helper()
	own := pki.NewSelfSigned("localhost", pki.DNS("localhost"), pki.ExtKeyUsage())
	var sixth atomic.Int64
	l := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- [2]string{r.TLS.PeerCertificates[0].Subject.CommonName, r.RemoteAddr}
		if r.URL.Path == "/sixth" && sixth.Add(1) == 6 {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	l.TLS = &tls.Config{Certificates: []tls.Certificate{own.TLS()}, ClientAuth: tls.RequireAnyClientCert}
	l.StartTLS()
	t.Cleanup(l.Close)
	ca := pki.NewCA("ca")
	usual := ca.Client("usual")
	o := load.Options{Address: l.Listener.Addr().String(), Root: own.PEM(), Cert: usual.PEM(), Key: usual.KeyPEM()}
	if len(names) > 0 {
		var text strings.Builder
		for _, name := range names {
			text.WriteString(ca.Client(name, pki.Key(usual.Key)).PEM())
		}
		o.More = filepath.Join(t.TempDir(), "more.pem")
		if err := os.WriteFile(o.More, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := load.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Every request comes with a connection of its own and the next certificate.
func TestRunOverNewConnections(t *testing.T) {
	seen := make(chan [2]string, 100)
	clients := freshListen(t, []string{"a", "b", "c"}, seen)
	r, err := clients.Run(load.Job{Request: request, Connections: 1, Lasts: time.Hour, Most: 5, New: true, First: 2})
	if err != nil || r.Requests != 5 || len(seen) != 5 || r.P50 <= 0 || r.Took < r.Most {
		t.Fatalf("%d requests arrived, and of 5 that were asked for the result is %+v (%v)", len(seen), r, err)
	}
	var names, remotes []string
	for range 5 {
		s := <-seen
		names, remotes = append(names, s[0]), append(remotes, s[1])
	}
	if got := strings.Join(names, ""); got != "cabca" {
		t.Errorf("shown were %q, want %q", got, "cabca")
	}
	slices.Sort(remotes)
	if n := len(slices.Compact(remotes)); n != 5 {
		t.Errorf("%d connections for 5 requests", n)
	}
}

func TestRunOverNewConnectionsFails(t *testing.T) {
	seen := make(chan [2]string, 1000)
	clients := freshListen(t, []string{"a"}, seen)
	j := load.Job{Request: strings.Replace(request, "/path", "/sixth", 1), Connections: 2, Lasts: time.Hour, Most: 300, New: true}
	if r, err := clients.Run(j); err == nil || !strings.Contains(err.Error(), "403") || len(seen) == 300 {
		t.Errorf("a wrong answer: %+v (%v), after %d requests", r, err, len(seen))
	}
	j.Request, j.Lasts, j.Most = request, 30*time.Millisecond, 1<<18
	if r, err := clients.Run(j); err != nil || r.Requests == 0 || r.Requests == 1<<18 {
		t.Errorf("its time is over: %+v (%v)", r, err)
	}
}

func TestFurtherCertificatesThatAreWrong(t *testing.T) {
	clients := freshListen(t, nil, make(chan [2]string, 1))
	if r, err := clients.Run(load.Job{Request: request, Most: 1, Lasts: time.Hour, New: true}); err == nil {
		t.Errorf("without any: %+v", r)
	}
	ca := pki.NewCA("ca")
	own := ca.Client("client")
	file := filepath.Join(t.TempDir(), "more.pem")
	if err := os.WriteFile(file, []byte(ca.Client("another's").PEM()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, more := range []string{file, filepath.Join(t.TempDir(), "none.pem")} {
		c, err := load.Start(load.Options{Root: ca.PEM(), Cert: own.PEM(), Key: own.KeyPEM(), More: more})
		if err == nil {
			c.Close()
			t.Errorf("%s: no error", more)
		}
	}
}

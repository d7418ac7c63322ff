package e2e

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/gateway"
	"mtls-auth/mtlsauth/internal/pkitest"
)

// atOnce makes requests with each of the certificates, all at the same time, and
// returns how many had each answer. What TLS costs is spent before: the requests
// of one certificate share a connection (HTTP/2).
func (r *rig) atOnce(path string, certs []*pkitest.Certificate, each int) map[int]int {
	r.t.Helper()
	start := make(chan struct{})
	var ready, done sync.WaitGroup
	var mu sync.Mutex
	got := map[int]int{}
	for _, cert := range certs {
		c := r.client(cert)
		c.Transport.(*http.Transport).ForceAttemptHTTP2 = true
		ready.Add(1)
		done.Go(func() {
			_, err := fetch(c, r.URLTLS()+"/open")
			ready.Done()
			<-start
			if err != nil {
				r.t.Errorf("connecting: %v", err)
				return
			}
			for range each {
				done.Go(func() {
					a, err := fetch(c, r.URLTLS()+path)
					if err != nil {
						r.t.Errorf("GET %s: %v", path, err)
					}
					mu.Lock()
					defer mu.Unlock()
					got[a.status]++
				})
			}
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	return got
}

// A thousand requests at once ask a slow responder as often as there are
// certificates.
func TestAThousandRequestsAtOnce(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, pkitest.NewCA("root"))
	r := newStatusRig(t, cas{idA: root.Certificate}, bothModes(), func(o *gateway.Options) { o.LogLevel = "warn" })
	for _, test := range []struct {
		name         string
		certs, each  int
		path         string
		revoked      bool
		want, status int
	}{
		{"100 certificates", 100, 10, "/strict", false, 100, 200},
		{"one certificate", 1, 1000, "/ignore", false, 1, 200},
		{"one that is revoked", 1, 100, "/ignore", true, 1, 401},
	} {
		certs := make([]*pkitest.Certificate, test.certs)
		for i := range certs {
			certs[i] = root.Client("client", root.byOCSP())
			root.responder.Good(certs[i])
			if test.revoked {
				root.responder.Revoke(certs[i], 1)
			}
		}
		root.responder.Trouble(pkitest.Trouble{Stall: 300 * time.Millisecond})
		before := len(root.responder.Requests())
		began := time.Now()
		got := r.atOnce(test.path, certs, test.each)
		t.Logf("%s: %d requests took %v", test.name, test.certs*test.each, time.Since(began))
		if got[test.status] != test.certs*test.each {
			t.Errorf("%s: got %v, want %d times %d", test.name, got, test.certs*test.each, test.status)
		}
		if n := len(root.responder.Requests()) - before; n != test.want {
			t.Errorf("%s: %d questions, want %d", test.name, n, test.want)
		}
	}
}

// The configuration changes under traffic, from one mode to the other and back:
// nobody gets another answer than the right one.
func TestModeChangesUnderTraffic(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, pkitest.NewCA("root"))
	good, bad := root.Client("good", root.byOCSP()), root.Client("bad", root.byCRL())
	root.responder.Good(good)
	root.host.Set(pkitest.CRL{Issuer: root.Certificate, Entries: pkitest.Revoked(bad)}.DER())
	plugins := func(mode string) routes {
		return routes{"/echo": checked(mode, object{"cert_cache_ttl": 100}), "/skip": trusted([]string{idA})}
	}
	r := newStatusRig(t, cas{idA: root.Certificate}, plugins("STRICT"))
	l := r.startLoad(6, "/echo", good, bad)
	for n := range 6 {
		mode := []string{"IGNORE_CA_ERROR", "STRICT"}[n%2]
		time.Sleep(300 * time.Millisecond)
		if err := r.Configure(declarative(t, r.upstream, cas{idA: root.Certificate}, plugins(mode))); err != nil {
			t.Fatal(err)
		}
	}
	l.end(t)
}

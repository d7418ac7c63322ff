package e2e

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// atOnce makes so many requests on a connection for each of the certificates,
// all at the same time, and returns how many had each answer. What TLS costs is
// spent before, and a connection carries its requests side by side (HTTP/2).
func (r *rig) atOnce(path string, certs []*pki.Certificate, each int) map[int]int {
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
	root := newAuthority(t, pki.NewCA("root"))
	r := newStatusRig(t, cas{idA: root.Certificate}, bothModes(), func(o *anykong.Options) { o.LogLevel = "warn" })
	client := func(status pki.CertStatus) *pki.Certificate {
		cert := root.Client("client", root.byOCSP())
		root.responder.Set(pki.Single(cert, status))
		return cert
	}
	hundred := make([]*pki.Certificate, 100)
	for i := range hundred {
		hundred[i] = client(pki.OCSPGood)
	}
	// On ten connections: one carries 250 requests side by side at the most.
	ofOne := slices.Repeat([]*pki.Certificate{client(pki.OCSPRevoked)}, 10)
	for _, test := range []struct {
		name            string
		certs           []*pki.Certificate
		each            int
		path            string
		questions, want int
	}{
		{"100 certificates", hundred, 10, "/strict", 100, 200},
		{"one certificate", ofOne, 100, "/ignore", 1, 401},
	} {
		root.responder.Trouble(pki.Trouble{Stall: 300 * time.Millisecond})
		before := len(root.responder.Requests())
		began := time.Now()
		got := r.atOnce(test.path, test.certs, test.each)
		t.Logf("%s: 1000 requests took %v", test.name, time.Since(began))
		if got[test.want] != 1000 {
			t.Errorf("%s: got %v, want 1000 times %d", test.name, got, test.want)
		}
		if n := len(root.responder.Requests()) - before; n != test.questions {
			t.Errorf("%s: %d questions, want %d", test.name, n, test.questions)
		}
	}
}

// The configuration changes under traffic, from one mode to the other and back:
// every client gets the right answer.
func TestModeChangesUnderTraffic(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, pki.NewCA("root"))
	good, bad := root.Client("good", root.byOCSP()), root.Client("bad", root.byCRL())
	root.responder.Good(good)
	root.host.Set(pki.CRL{Issuer: root.Certificate, Entries: pki.Revoked(bad)}.DER())
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

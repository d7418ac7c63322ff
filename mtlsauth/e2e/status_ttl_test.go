package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// keepAsking makes requests on one connection until an instant. Each that is answered
// by then must get a status. It returns how long the slowest took.
func (r *rig) keepAsking(what, path string, cert *pki.Certificate, status int, until time.Time) (slowest time.Duration) {
	r.t.Helper()
	c := r.client(cert)
	defer c.CloseIdleConnections()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		asked := time.Now()
		got := r.ask(c, r.URLTLS()+path)
		if time.Now().After(until) {
			return slowest
		}
		if got.status != status {
			r.t.Errorf("%s: after %v got %d, want %d", what, time.Since(began), got.status, status)
			return slowest
		}
		slowest = max(slowest, time.Since(asked))
	}
}

// soon is when something must have happened for which a quiet machine takes a
// moment.
func soon() time.Time { return time.Now().Add(30 * time.Second) }

// before tests what must be over in the first half of a life, whose end f gets and it
// returns. Where the machine is too slow for that, it is tested once more with a longer
// life: so f makes certificates that are not known yet.
func (r *rig) before(life time.Duration, f func(r *rig, ends time.Time)) (ends time.Time) {
	r.t.Helper()
	for ; ; life *= 2 {
		ends = time.Now().Add(life).Truncate(time.Second)
		failures := failures{TB: r.t}
		trial := *r
		trial.t = &failures
		f(&trial, ends)
		if time.Until(ends) < life/2 && life < 2*time.Minute {
			continue
		}
		for _, failure := range failures.texts {
			r.t.Error(failure)
		}
		return ends
	}
}

// failures are those of a trial, which may not count.
type failures struct {
	testing.TB
	texts []string
}

func (f *failures) Errorf(format string, args ...any) {
	f.texts = append(f.texts, fmt.Sprintf(format, args...))
}

// statusBecomes waits for a certificate to get another status, which a request that
// begins after the deadline must get.
func (r *rig) statusBecomes(what, path string, cert *pki.Certificate, status int, deadline time.Time) {
	r.t.Helper()
	c := r.client(cert)
	defer c.CloseIdleConnections()
	for {
		asked := time.Now()
		got := r.ask(c, r.URLTLS()+path)
		if got.status == status {
			return
		}
		if asked.After(deadline) {
			r.t.Errorf("%s: still %d %q, want %d", what, got.status, got.message, status)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// A41: within cert_cache_ttl one question, after it another.
func TestCertCacheTTL(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, pki.NewCA("root"))
	r := newStatusRig(t, cas{idA: root.Certificate}, routes{
		"/long":  checked("STRICT", object{"cert_cache_ttl": 60_000}),
		"/short": checked("STRICT", object{"cert_cache_ttl": 300}),
		"/none":  checked("STRICT", object{"cert_cache_ttl": 0}),
	})
	count := func(what string, cert *pki.Certificate, want int) {
		t.Helper()
		if n := root.responder.Count(cert); n != want {
			t.Errorf("%s: %d questions, want %d", what, n, want)
		}
	}
	long, short, none := root.Client("long", root.byOCSP()), root.Client("short", root.byOCSP()), root.Client("none", root.byOCSP())
	root.responder.Good(long, short, none)
	r.expectStatus("A41 first", "/long", long, passes)
	r.expectStatus("A41 first", "/short", short, passes)
	for n := range 5 {
		r.expectStatus("A41 again", "/long", long, passes)
		r.expectStatus("ttl 0", "/none", none, passes)
		count("ttl 0", none, n+1)
	}
	count("A41 within the ttl", long, 1)
	time.Sleep(300 * time.Millisecond)
	r.expectStatus("A41 after the ttl", "/short", short, passes)
	eventually(t, "A41 after the ttl a second question", func() bool { return root.responder.Count(short) >= 2 })
	// Who is revoked is refused once the ttl is over.
	root.responder.Set(pki.OCSPSingle{Serial: none.SerialNumber, Status: pki.OCSPRevoked, ThisUpdate: inSeconds(0)})
	root.responder.Set(pki.OCSPSingle{Serial: short.SerialNumber, Status: pki.OCSPRevoked, ThisUpdate: inSeconds(0)})
	time.Sleep(300 * time.Millisecond)
	r.expectStatus("revoked, ttl 0", "/none", none, isRevoked)
	r.expectStatus("revoked, after the ttl", "/short", short, isRevoked)
}

// While a responder is down the answer that is known serves until its
// nextUpdate, and not longer.
func TestTheOldAnswerServes(t *testing.T) {
	t.Parallel()
	ofTime(t)
	root := newAuthority(t, pki.NewCA("root"))
	r := newStatusRig(t, cas{idA: root.Certificate}, bothModes(object{"cert_cache_ttl": 500}))
	var cert *pki.Certificate
	ends := r.before(5*time.Second, func(r *rig, ends time.Time) {
		cert = root.Client("client", root.byOCSP())
		root.responder.Set(pki.OCSPSingle{Serial: cert.SerialNumber, ThisUpdate: inSeconds(-10), NextUpdate: ends})
		r.expectStatus("first", "/strict", cert, passes)
	})
	root.responder.Trouble(pki.Trouble{Status: http.StatusServiceUnavailable})
	before := len(root.responder.Requests())
	r.keepAsking("the responder is down", "/strict", cert, 200, ends)
	if n := len(root.responder.Requests()) - before; n < 2 || n > 4 {
		t.Errorf("the responder was asked %d times while it was down, want 2 or 3: after the ttl, a second later, every five", n)
	}
	r.statusBecomes("after nextUpdate", "/strict", cert, 401, ends.Add(time.Second))
	r.expectStatus("after nextUpdate", "/strict", cert, isUnknown)
	r.expectStatus("after nextUpdate", "/ignore", cert, passesNoted, "status 503")
}

// What is in use is fetched again before a request has to wait for it, however long
// the responder takes; what is not used is not.
func TestRenewalInTheBackground(t *testing.T) {
	t.Parallel()
	ofTime(t)
	root := newAuthority(t, pki.NewCA("root"))
	slow := newAuthority(t, pki.NewCA("slow"))
	r := newStatusRig(t, cas{idA: root.Certificate, idB: slow.Certificate},
		bothModes(object{"cert_cache_ttl": 1000, "ca_certificates": []string{idA, idB}}))
	idle := root.Client("idle", root.byOCSP())
	root.responder.Good(idle)
	r.expectStatus("idle", "/strict", idle, passes)

	busy := slow.Client("busy", slow.byOCSP())
	slow.responder.Good(busy)
	r.expectStatus("first", "/strict", busy, passes)
	const stall = 8 * time.Second
	slow.responder.Trouble(pki.Trouble{Stall: stall})
	if slowest := r.keepAsking("the responder is slow", "/strict", busy, 200, time.Now().Add(4*time.Second)); slowest > stall-2*time.Second {
		t.Errorf("a request took %v, as if it had waited for the responder", slowest)
	}
	if n := slow.responder.Count(busy); n < 2 {
		t.Errorf("%d questions about a certificate in use within 4 ttl, want 2 at least", n)
	}
	if n := root.responder.Count(idle); n > 2 {
		t.Errorf("%d questions about a certificate that is not in use, want 2 at most", n)
	}
	// By itself it finds out, too, who is revoked.
	slow.responder.Trouble(pki.Trouble{})
	r.expectStatus("in use", "/strict", busy, passes)
	before := slow.responder.Count(busy)
	slow.responder.Set(pki.OCSPSingle{Serial: busy.SerialNumber, Status: pki.OCSPRevoked, ThisUpdate: inSeconds(0)})
	eventually(t, "the background asks", func() bool { return slow.responder.Count(busy) > before })
	r.statusBecomes("the background has asked", "/ignore", busy, 401, soon())
}

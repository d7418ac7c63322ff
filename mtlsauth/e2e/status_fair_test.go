package e2e

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// The certificates of one CA, whose responder is silent, come in many requests, each with
// another chain: to the server another question each time. New clients of another CA
// are decided meanwhile, and so is what is known already.
func TestASilentResponderOfOneCA(t *testing.T) {
	t.Parallel()
	besideASilentResponder(t, 300)
}

// BenchmarkASilentResponderOfOneCA is that with two thousand requests. It reports how much longer a new client of another CA
// takes than on a quiet gateway, which must be half as long again at most.
//
//	go test -run '^$' -bench ASilentResponder -benchtime 1x ./mtlsauth/e2e
func BenchmarkASilentResponderOfOneCA(b *testing.B) {
	for b.Loop() {
		quiet, beside := besideASilentResponder(b, 2_000)
		times := float64(beside) / float64(quiet)
		if b.ReportMetric(times, "times-quiet"); times > 1.5 {
			b.Errorf("a new client takes %.1f times as long as on a quiet gateway", times)
		}
	}
}

// besideASilentResponder returns how long a new client of the other CA takes, before
// those requests and beside them.
func besideASilentResponder(t testing.TB, requests int) (quiet, beside time.Duration) {
	const timeout = 30 * time.Second // http_timeout's default
	silent, other := newAuthority(t, pki.NewCA("silent")), newAuthority(t, pki.NewCA("other"))
	silent.responder.Trouble(pki.Trouble{Hang: true})
	r := newStatusRig(t, cas{idA: silent.Certificate, idB: other.Certificate}, bothModes(object{"ca_certificates": []string{idA, idB}}))
	known := other.Client("known", other.byOCSP())
	other.responder.Good(known)
	// expectSoon makes requests one after another and returns the median.
	expectSoon := func(what string, certs ...*pki.Certificate) time.Duration {
		var took []time.Duration
		for n, cert := range certs {
			began := time.Now()
			if got := r.status([]string{"/strict", "/ignore"}[n%2], cert); got != 200 {
				t.Errorf("%s: got %d, want 200", what, got)
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		if slowest := took[len(took)-1]; slowest > timeout/2 {
			t.Errorf("%s: a request took %v, as if it had waited for the silent responder", what, slowest)
		}
		return took[len(took)/2]
	}
	fresh := func() (certs []*pki.Certificate) {
		for range 20 {
			certs = append(certs, other.Client("new", other.byOCSP()))
		}
		other.responder.Good(certs...)
		return certs
	}
	expectSoon("at first", known, known)
	quiet = expectSoon("new clients on a quiet gateway", fresh()...)

	// More certificates than there are exchanges, and the same ones again and again.
	ctx, cancel := context.WithCancel(t.Context())
	var sent, over atomic.Int64
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	trace := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { sent.Add(1) }})
	leaves := make([]*pki.Certificate, min(requests/3, 200))
	for n := range leaves {
		leaves[n] = silent.Client("leaf", silent.byOCSP())
	}
	for n := range requests {
		c := r.sending(leaves[n%len(leaves)], pki.NewCA("meaningless"))
		request, err := http.NewRequestWithContext(trace, http.MethodGet, r.URLTLS()+"/strict", nil)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			response, err := c.Do(request)
			if err == nil {
				response.Body.Close()
				over.Add(1)
			}
		})
	}
	for deadline := time.Now().Add(2 * time.Minute); sent.Load() < int64(requests) && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	if requests > 1000 {
		time.Sleep(4 * time.Second) // what so many handshakes have cost this process is over
	}
	beside = expectSoon("new clients beside it", fresh()...)
	expectSoon("a known client beside it", slices.Repeat([]*pki.Certificate{known}, 20)...)
	t.Logf("%d requests wait for a silent responder, %d are over; a new client takes %v, before that %v", sent.Load(), over.Load(), beside, quiet)
	return quiet, beside
}

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
// BenchmarkTenThousandAtASilentResponder has figures.
func TestASilentResponderOfOneCA(t *testing.T) {
	t.Parallel()
	const requests = 150             // more certificates than there are exchanges, and the same ones again
	const timeout = 30 * time.Second // http_timeout's default
	silent, other := newAuthority(t, pki.NewCA("silent")), newAuthority(t, pki.NewCA("other"))
	silent.responder.Trouble(pki.Trouble{Hang: true})
	r := newStatusRig(t, cas{idA: silent.Certificate, idB: other.Certificate}, bothModes(object{"ca_certificates": []string{idA, idB}}))
	known := other.Client("known", other.byOCSP())
	other.responder.Good(known)
	expectSoon := func(what string, certs ...*pki.Certificate) {
		var slowest time.Duration
		for n, cert := range certs {
			began := time.Now()
			if got := r.status([]string{"/strict", "/ignore"}[n%2], cert); got != 200 {
				t.Errorf("%s: got %d, want 200", what, got)
			}
			slowest = max(slowest, time.Since(began))
		}
		if slowest > timeout/2 {
			t.Errorf("%s: a request took %v, as if it had waited for the silent responder", what, slowest)
		}
	}
	fresh := func() (certs []*pki.Certificate) {
		for range 20 {
			certs = append(certs, other.Client("new", other.byOCSP()))
		}
		other.responder.Good(certs...)
		return certs
	}
	expectSoon("at first", known, known)

	ctx, cancel := context.WithCancel(t.Context())
	var sent, over atomic.Int64
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	trace := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { sent.Add(1) }})
	leaves := make([]*pki.Certificate, 100)
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
	eventually(t, "all requests are sent", func() bool { return sent.Load() == requests })
	expectSoon("new clients beside it", fresh()...)
	expectSoon("a known client beside it", slices.Repeat([]*pki.Certificate{known}, 20)...)
	if waiting := sent.Load() - over.Load(); waiting < requests*9/10 {
		t.Errorf("%d of %d requests wait for the silent responder: the test is void", waiting, requests)
	}
}

package revocation_test

import (
	"fmt"
	"math/big"
	"net/http"
	"sync"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// Responders of several trust anchors say nothing: certificates of another are
// decided as on a quiet day.
func TestSilentRespondersOfOthers(t *testing.T) {
	for name, mode := range both {
		bubble(t, name, func(t *testing.T) {
			w := inBubble(t)
			w.settings.Mode = mode
			var wg sync.WaitGroup
			for a := range 4 {
				tenant := pki.NewCA(fmt.Sprint("tenant ", a))
				for n := range 200 {
					host := fmt.Sprintf("slow-%d-%d", a, n)
					w.put(host, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
					leaf := tenant.Client("leaf", ocsp(host))
					wg.Go(func() { w.check(path(leaf, tenant)) })
				}
			}
			time.Sleep(time.Second)
			r := w.responder("fast", w.root)
			for range 20 {
				leaf := w.root.Client("leaf", ocsp("fast"))
				r.Good(leaf)
				w.took("another anchor's", 0, func() { w.expect("another anchor's", "passed", leaf, w.root) })
			}
			wg.Wait()
		})
	}
}

// One anchor has more certificates asked about than may wait at once: its own meet
// the limit, another's do not.
func TestWaitingIsSharedOut(t *testing.T) {
	t.Parallel()
	bubble(t, "ignore", func(t *testing.T) {
		w := inBubble(t, func(o *revocation.Options) { o.Fetcher = slow{o.Fetcher.(*network)} })
		w.settings.Mode = revocation.IgnoreCAError
		flooding := pki.NewCA("flooding")
		base := flooding.Client("x", ocsp("slow"))
		var wg sync.WaitGroup
		for n := range 10_000 {
			c := *base.Read()
			c.Serial = new(big.Int).Add(base.SerialNumber, big.NewInt(int64(n+1))).Bytes()
			wg.Go(func() { w.check([]*certificate.Certificate{&c, flooding.Read()}) })
		}
		time.Sleep(time.Second)
		if got := w.check(path(flooding.Client("own", ocsp("slow")), flooding)); got.Verdict != revocation.Unjudged {
			t.Errorf("its own: got %s, want a limit: the test is void", verdicts[got.Verdict])
		}
		r := w.responder("ocsp", w.root)
		for range 100 {
			leaf := w.root.Client("leaf", ocsp("ocsp"))
			r.Good(leaf)
			w.took("another anchor's", 0, func() { w.expect("another anchor's", "passed", leaf, w.root) })
		}
		wg.Wait()
	})
}

// Any number of requests for one certificate, with one responder, takes one place.
func TestManyRequestsForOneCertificateTakeOnePlace(t *testing.T) {
	bubble(t, "strict", func(t *testing.T) {
		w := inBubble(t)
		leaf := w.root.Client("leaf", ocsp("ocsp"))
		r := w.responder("ocsp", w.root)
		r.Good(leaf)
		r.Trouble(pki.Trouble{Stall: 5 * time.Second})
		var wg sync.WaitGroup
		for range 9_000 {
			wg.Go(func() {
				if got := w.check(path(leaf, w.root)); got.Verdict != revocation.Passed {
					t.Errorf("got %s (%v)", verdicts[got.Verdict], got.Err)
				}
			})
		}
		wg.Wait()
		if n := r.Count(leaf); n != 1 {
			t.Errorf("%d exchanges, want 1", n)
		}
	})
}

// One anchor's large CRLs, all in use, leave room for another's.
func TestCRLMemoryIsSharedOut(t *testing.T) {
	for name, mode := range both {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(o *revocation.Options) { o.MaxCRLSize, o.Memory = 16<<20, revocation.NewMemory(16<<20) })
			w.settings.Mode = mode
			tenant := pki.NewCA("tenant")
			limited := false
			for n := range 30 {
				host := fmt.Sprint("big", n)
				w.list(host, pki.CRL{Issuer: tenant, RawEntries: pki.Serials(60_000-n*1900, 16)})
				limited = w.check(path(tenant.Client("leaf", crl(host)), tenant)).Verdict == revocation.Unjudged || limited
			}
			if !limited {
				t.Error("the tenant's lists have all the room that they want: the test is void")
			}
			for n := range 2 {
				host := fmt.Sprint("small", n)
				w.list(host, pki.CRL{Issuer: w.root, RawEntries: pki.Serials(20_000, 16)})
				w.expect("another anchor's list", "passed", w.root.Client("leaf", crl(host)), w.root)
			}
		})
	}
}

// A CRL that is larger than its anchor's share pushes out no other anchor's.
func TestACRLOverItsSharePushesNothingOut(t *testing.T) {
	bubble(t, "strict", func(t *testing.T) {
		w := inBubble(t, func(o *revocation.Options) { o.MaxCRLSize, o.Memory = 16<<20, revocation.NewMemory(1<<20) })
		leaf := w.root.Client("leaf", crl("small"))
		w.list("small", pki.CRL{Issuer: w.root, NextUpdate: time.Now().Add(24 * time.Hour)})
		w.expect("at first", "passed", leaf, w.root)
		time.Sleep(12 * time.Minute) // and it is in use no more
		tenant := pki.NewCA("tenant")
		w.list("big", pki.CRL{Issuer: tenant, RawEntries: pki.Serials(60_000, 16)})
		w.expect("over its share", "unjudged", tenant.Client("leaf", crl("big")), tenant)
		w.fails("small", int(fetch.Connect))
		w.expect("another anchor's", "passed", leaf, w.root)
	})
}

// A CRL that requests ask for is not pushed out right after its renewal: another anchor,
// within its own share, could keep its owner from having it again.
func TestACRLInUseIsNotPushedOut(t *testing.T) {
	bubble(t, "strict", func(t *testing.T) {
		w := inBubble(t, func(o *revocation.Options) { o.MaxCRLSize, o.Memory = 16<<20, revocation.NewMemory(2<<20) })
		large := func(issuer *pki.Certificate, entries int) pki.CRL {
			return pki.CRL{Issuer: issuer, NextUpdate: time.Now().Add(240 * time.Hour), RawEntries: pki.Serials(entries, 16)}
		}
		leaf, tenant := w.root.Client("leaf", crl("own")), pki.NewCA("tenant")
		w.list("own", large(w.root, 30_000))
		for n := range 4 {
			w.list(fmt.Sprint("tenant", n), large(tenant, 15_000))
		}
		w.expect("at first", "passed", leaf, w.root)
		limited := false
		for began := time.Now(); time.Since(began) < time.Hour; {
			time.Sleep(20 * time.Second)
			w.expect("in use", "passed", leaf, w.root)
			time.Sleep(time.Second)
			for n := range 4 {
				limited = w.check(path(tenant.Client("leaf", crl(fmt.Sprint("tenant", n))), tenant)).Verdict == revocation.Unjudged || limited
			}
		}
		if !limited {
			t.Error("the tenant's lists have all the room that they want: the test is void")
		}
	})
}

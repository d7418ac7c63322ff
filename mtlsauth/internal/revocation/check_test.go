package revocation_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// took checks how long something takes.
func (w *world) took(what string, want time.Duration, f func()) {
	w.Helper()
	began := time.Now()
	f()
	if got := time.Since(began); got != want {
		w.Errorf("%s: took %v, want %v", what, got, want)
	}
}

func TestLevelsAreAskedAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inBubble(t)
		one := w.root.Intermediate("one", ocsp("root"))
		two := one.Intermediate("two", crl("crl"))
		leaf := two.Client("leaf", ocsp("two"))
		ofRoot, ofTwo := w.responder("root", w.root), w.responder("two", two)
		list := w.list("crl", pki.CRL{Issuer: one})
		ofRoot.Good(one)
		ofTwo.Good(leaf)
		ofRoot.Trouble(pki.Trouble{Stall: time.Second})
		ofTwo.Trouble(pki.Trouble{Stall: time.Second})
		list.Trouble(pki.Trouble{Stall: time.Second})
		w.took("three levels of a second", time.Second, func() { w.expect("three levels", "passed", leaf, two, one, w.root) })
	})
}

// What several addresses of a certificate take together is bounded.
func TestBudget(t *testing.T) {
	for _, test := range []struct{ timeout, want time.Duration }{
		{2 * time.Second, 4 * time.Second}, {30 * time.Second, 45 * time.Second},
	} {
		bubble(t, fmt.Sprint(test.timeout), func(t *testing.T) {
			w := inBubble(t)
			w.settings.HTTPTimeout = test.timeout
			options := []pki.Option{}
			for n := range 4 {
				host := fmt.Sprint("host", n)
				w.responder(host, w.root).Trouble(pki.Trouble{Hang: true})
				options = append(options, ocsp(host), crl(host))
			}
			w.took("four addresses that hang", test.want, func() { w.expect("hanging", "unknown", w.root.Client("leaf", options...), w.root) })
		})
	}
}

// A client that goes away is not waited for, and spoils nothing for others.
func TestRequestThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inBubble(t)
		leaf := w.root.Client("leaf", ocsp("ocsp"))
		r := w.responder("ocsp", w.root)
		r.Good(leaf)
		r.Trouble(pki.Trouble{Stall: 3 * time.Second})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			w.took("one that goes away", time.Second, func() {
				if got := w.checker.Check(ctx, [][]*certificate.Certificate{path(leaf, w.root)}, w.trust, w.settings, time.Now()); got.Verdict != revocation.StatusUnknown {
					t.Errorf("one that goes away: got %s", verdicts[got.Verdict])
				}
			})
		})
		wg.Go(func() { w.expect("one that stays", "passed", leaf, w.root) })
		wg.Wait()
		if n := r.Count(leaf); n != 1 {
			t.Errorf("%d exchanges, want 1", n)
		}
	})
}

// OCSP comes first, then CRLs; of each what the certificate names first.
func TestOrder(t *testing.T) {
	for _, test := range []struct {
		name string
		down []string
		want string
		who  string // who was asked, in this order
	}{
		{"all is up", nil, "passed", "ocsp1"},
		{"a responder is down", []string{"ocsp1"}, "passed", "ocsp1 ocsp2"},
		{"both are", []string{"ocsp1", "ocsp2"}, "passed", "ocsp1 ocsp2 crl1"},
		{"and a CRL", []string{"ocsp1", "ocsp2", "crl1"}, "passed", "ocsp1 ocsp2 crl1 crl2"},
		{"and both", []string{"ocsp1", "ocsp2", "crl1", "crl2"}, "unknown", "ocsp1 ocsp2 crl1 crl2"},
	} {
		bubble(t, test.name, func(t *testing.T) {
			w := inBubble(t)
			leaf := w.root.Client("leaf", ocsp("ocsp1"), ocsp("ocsp2"), ocsp("ocsp1"), crl("crl1"), crl("crl2"))
			w.responder("ocsp1", w.root).Good(leaf)
			w.responder("ocsp2", w.root).Good(leaf)
			w.list("crl1", pki.CRL{Issuer: w.root})
			w.list("crl2", pki.CRL{Issuer: w.root})
			for _, host := range test.down {
				w.fails(host, int(fetch.Refused))
			}
			w.expect("first", test.want, leaf, w.root)
			var who []string
			for _, r := range w.seen {
				host, _, _ := strings.Cut(strings.TrimPrefix(r.URL, "http://"), "/")
				who = append(who, host)
			}
			if got := strings.Join(who, " "); got != test.who {
				t.Errorf("asked %q, want %q", got, test.who)
			}
		})
	}
}

// A client does not have the server ask any number of URLs.
func TestAddressesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inBubble(t)
		var options []pki.Option
		for n := range 50 {
			options = append(options, ocsp(fmt.Sprint("ocsp", n)))
		}
		for n := range 15 {
			options = append(options, crl(fmt.Sprint("crl", n)))
		}
		w.expect("fifty and fifteen addresses", "unknown", w.root.Client("leaf", options...), w.root)
		if n := w.count(); n != 8 {
			t.Errorf("%d URLs were asked, want 8", n)
		}
	})
}

// A result ends with what replaces the evidence that it rests on.
func TestResultsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inBubble(t)
		inter := w.root.Intermediate("inter", ocsp("root"))
		leaf := inter.Client("leaf", ocsp("inter"))
		ofRoot, ofInter := w.responder("root", w.root), w.responder("inter", inter)
		ofRoot.Good(inter)
		ofInter.Good(leaf)
		first := w.expect("first", "passed", leaf, inter, w.root)
		stands := w.stands()
		w.expect("again", "passed", leaf, inter, w.root)
		if !stands() {
			t.Error("a result ended though nothing happened")
		}
		if got := time.Until(first.Until); got != w.settings.CertCacheTTL {
			t.Errorf("to check again in %v, want the ttl", got)
		}
		ofRoot.Revoke(inter, 2)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if stands() {
			t.Error("a result stands though the intermediate was revoked, as a renewal has found out")
		}
		w.expect("after that", "revoked", leaf, inter, w.root) // which is news
		stands = w.stands()
		w.expect("once more", "revoked", leaf, inter, w.root)
		if !stands() {
			t.Error("the refusal does not stand")
		}
	})
}

// Nothing waits for what others ask, and no goroutine is left: the bubble would
// not end.
func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inBubble(t)
		r := w.responder("ocsp", w.root)
		list := w.list("crl", pki.CRL{Issuer: w.root})
		r.Trouble(pki.Trouble{Stall: 100 * time.Millisecond})
		list.Trouble(pki.Trouble{Stall: 100 * time.Millisecond})
		var good, bad []*pki.Certificate
		for n := range 8 {
			c := w.root.Client(fmt.Sprint("good", n), ocsp("ocsp"))
			r.Good(c)
			good = append(good, c, w.root.Client(fmt.Sprint("listed", n), crl("crl")))
			b := w.root.Client(fmt.Sprint("bad", n), ocsp("ocsp"))
			r.Revoke(b, 1)
			bad = append(bad, b)
		}
		var wg sync.WaitGroup
		for n := range 64 {
			wg.Go(func() {
				for round := range 20 {
					w.expect("good", "passed", good[(n+round)%len(good)], w.root)
					w.expect("bad", "revoked", bad[(n+round)%len(bad)], w.root)
					time.Sleep(time.Duration(n) * 100 * time.Millisecond)
				}
			})
		}
		wg.Wait()
		for _, c := range slices.Concat(good, bad) {
			if n := r.Count(c); n > 12 {
				t.Errorf("%s was asked about %d times within two minutes", c.Subject, n)
			}
		}
	})
}

package revocation_test

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// A list is fetched once for all certificates, is fetched again every five
// minutes at most whatever the ttl, and not sent again while it is the same.
func TestListIsRevalidated(t *testing.T) {
	for _, test := range []struct {
		ttl, every time.Duration
	}{{10 * time.Second, 5 * time.Minute}, {0, 5 * time.Minute}, {20 * time.Minute, 20 * time.Minute}} {
		bubble(t, fmt.Sprint(test.ttl), func(t *testing.T) {
			w := inBubble(t)
			w.settings.CertCacheTTL = test.ttl
			list := w.list("crl", pki.CRL{Issuer: w.root, ThisUpdate: time.Now().Add(-24 * time.Hour), NextUpdate: time.Now().Add(240 * time.Hour)})
			leaf, another := w.root.Client("leaf", crl("crl")), w.root.Client("another", crl("crl"))
			w.expect("first", "passed", leaf, w.root)
			stands := w.stands()
			for range 360 {
				time.Sleep(10 * time.Second)
				w.took("one of many", 0, func() { w.expect("one of many", "passed", another, w.root) })
			}
			want := int(time.Hour / test.every)
			if n := list.Count(http.StatusNotModified); list.Count(http.StatusOK) != 1 || n < want-1 || n > want {
				t.Errorf("sent %d times and confirmed %d times within an hour, want once and %d times", list.Count(http.StatusOK), n, want)
			}
			if !stands() {
				t.Error("that a list was confirmed ended a decision")
			}
			// One that is new counts at the next renewal.
			list.Set(pki.CRL{Issuer: w.root, Entries: pki.Revoked(leaf), NextUpdate: time.Now().Add(240 * time.Hour)}.DER())
			time.Sleep(test.every + 10*time.Second)
			if stands() {
				t.Error("that there is a new list did not end a decision")
			}
			w.expect("after the new list", "revoked", leaf, w.root)
			w.expect("after the new list", "passed", another, w.root)
		})
	}
}

// A list from before the one that is known does not replace it; nor does what
// cannot be used.
func TestListRollback(t *testing.T) {
	for _, test := range []struct {
		name string
		list func(w *world) pki.CRL
	}{
		{"an earlier one", func(w *world) pki.CRL {
			return pki.CRL{Issuer: w.root, ThisUpdate: time.Now().Add(-2 * time.Hour)}
		}},
		{"another issuer's", func(w *world) pki.CRL { return pki.CRL{Issuer: pki.NewCA("other")} }},
		{"one of the name, signed by another", func(w *world) pki.CRL { return pki.CRL{Issuer: pki.NewCA("root")} }},
		{"one that was tampered with", func(w *world) pki.CRL { return pki.CRL{Issuer: w.root, CorruptSignature: true} }},
		{"one for CA certificates", func(w *world) pki.CRL {
			return pki.CRL{Issuer: w.root, ThisUpdate: time.Now().Add(-time.Minute), IDP: &pki.IDP{OnlyCACerts: true}}
		}},
		{"one for another distribution point", func(w *world) pki.CRL {
			return pki.CRL{Issuer: w.root, ThisUpdate: time.Now().Add(-time.Minute), IDP: &pki.IDP{URIs: []string{"http://other/ca.crl"}}}
		}},
		{"a delta CRL", func(w *world) pki.CRL { return pki.CRL{Issuer: w.root, BaseNumber: 1, Number: 2} }},
		{"one from the future", func(w *world) pki.CRL { return pki.CRL{Issuer: w.root, ThisUpdate: time.Now().Add(time.Hour)} }},
		{"one without number", func(w *world) pki.CRL { return pki.CRL{Issuer: w.root, NoNumber: true} }},
	} {
		bubble(t, test.name, func(t *testing.T) {
			w := inBubble(t)
			leaf, good, unseen := w.root.Client("leaf", crl("crl")), w.root.Client("good", crl("crl")), w.root.Client("unseen", crl("crl"))
			list := w.list("crl", pki.CRL{Issuer: w.root, Entries: pki.Revoked(leaf, unseen)})
			w.expect("first", "revoked", leaf, w.root)
			list.Set(test.list(w).DER())
			for n := range 20 {
				time.Sleep(time.Minute)
				w.expect(fmt.Sprint("the revoked one after minutes: ", n+1), "revoked", leaf, w.root)
				if r := w.expect(fmt.Sprint("another after minutes: ", n+1), "passed", good, w.root); r.Err != nil {
					break
				}
			}
			w.expect("one that is on the list and was not asked about before", "revoked", unseen, w.root)
			if list.Count(http.StatusOK) < 2 {
				t.Error("it was not asked for: the test is void")
			}
		})
	}
}

// A list that was put in the wrong place, and is later than the right one, does
// not keep that from counting.
func TestListInTheWrongPlace(t *testing.T) {
	for name, wrong := range map[string]pki.CRL{
		"a delta CRL":                        {BaseNumber: 1, Number: 2},
		"one for CA certificates":            {IDP: &pki.IDP{OnlyCACerts: true}},
		"one for another distribution point": {IDP: &pki.IDP{URIs: []string{"http://other/ca.crl"}}},
	} {
		bubble(t, name, func(t *testing.T) {
			w := inBubble(t)
			leaf := w.root.Client("leaf", crl("crl"))
			wrong.Issuer, wrong.ThisUpdate = w.root, time.Now().Add(-time.Minute)
			list := w.list("crl", wrong)
			w.expect("while it is there", "unknown", leaf, w.root)
			list.Set(pki.CRL{Issuer: w.root}.DER())
			time.Sleep(10 * time.Minute)
			w.expect("when it is gone", "passed", leaf, w.root)
		})
	}
}

// One client does not send the certificate that signed the list, the other does:
// it does not have to fetch the list as well.
func TestListWhoseSignerOthersHave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inBubble(t)
		inter := w.root.Intermediate("inter", pki.With(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }))
		signer := w.root.Client("", crlKey(inter))
		configured := []*pki.Certificate{inter, signer}
		without, with := known{configured: configured}, known{configured: configured, signers: [][]*certificate.Certificate{path(signer, w.root)}}
		good, bad := inter.Client("good", crl("crl")), inter.Client("bad", crl("crl"))
		list := w.list("crl", pki.CRL{Issuer: inter, Signer: signer, Entries: pki.Revoked(bad)})
		for range 2 {
			w.trust = without
			w.expect("without the signer", "unknown", good, inter, w.root)
			w.trust = with
			w.expect("with the signer", "passed", good, inter, w.root)
			w.expect("with the signer", "revoked", bad, inter, w.root)
		}
		if n := list.Count(http.StatusOK); n != 1 {
			t.Errorf("the list was sent %d times, want once", n)
		}
		w.trust = without
		w.expect("revoked, which is known now", "revoked", bad, inter, w.root)
		// Once verified it is kept like any other.
		w.trust = with
		for range 180 {
			time.Sleep(10 * time.Second)
			w.expect("with the signer", "passed", good, inter, w.root)
		}
		if sent, confirmed := list.Count(http.StatusOK), list.Count(http.StatusNotModified); sent > 3 || confirmed < 5 {
			t.Errorf("within half an hour it was sent %d times and confirmed %d times", sent, confirmed)
		}
	})
}

// There is no memory for a list: that is a limit of our own, not the lack of an
// answer. What is not used makes room.
func TestListsAndMemory(t *testing.T) {
	for name, mode := range both {
		bubble(t, name, func(t *testing.T) {
			memory := revocation.NewMemory(800 << 10)
			w := inBubble(t, func(o *revocation.Options) { o.Memory = memory })
			w.settings.Mode = mode
			big := func(host string) *pki.Certificate {
				w.list(host, pki.CRL{Issuer: w.root, RawEntries: pki.Serials(10_000, 16)})
				return w.root.Client(host, crl(host))
			}
			one, two, three := big("one"), big("two"), big("three")
			w.list("huge", pki.CRL{Issuer: w.root, RawEntries: pki.Serials(25_000, 16)})
			w.expect("the first", "passed", one, w.root)
			for range 5 {
				w.expect("one that is too large for it all", "unjudged", w.root.Client("huge", crl("huge")), w.root)
				time.Sleep(10 * time.Second)
			}
			// Long after, none of them is used.
			time.Sleep(3 * time.Hour)
			for range 3 {
				w.expect("the second", "passed", two, w.root)
				time.Sleep(3 * time.Hour)
				w.expect("the third", "passed", three, w.root)
				time.Sleep(3 * time.Hour)
			}
			// What is of no use is not kept.
			w.list("useless", pki.CRL{Issuer: w.root, Hash: crypto.SHA1, RawEntries: pki.Serials(5_000, 16)})
			useless := w.root.Client("useless", crl("useless"))
			for range 20 {
				w.expect("what is of no use", map[string]string{"STRICT": "unknown", "IGNORE_CA_ERROR": "passed"}[name], useless, w.root)
				time.Sleep(10 * time.Second)
			}
			if err := memory.Reserve(790 << 10); err == nil {
				t.Error("lists are kept that do not count")
			}
			if err := memory.Reserve(550 << 10); err != nil {
				t.Errorf("memory was not given back: %v", err)
			}
		})
	}
}

// A list whose time is over while its host is down still says who is revoked.
func TestListThatRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inBubble(t)
		leaf, good := w.root.Client("leaf", crl("crl")), w.root.Client("good", crl("crl"))
		w.list("crl", pki.CRL{Issuer: w.root, Entries: pki.Revoked(leaf), NextUpdate: time.Now().Add(time.Hour)})
		w.expect("at first", "passed", good, w.root)
		w.fails("crl", int(fetch.Connect))
		time.Sleep(59 * time.Minute)
		w.expect("before it is over", "passed", good, w.root)
		time.Sleep(2 * time.Minute)
		w.expect("when it is over", "unknown", good, w.root)
		w.expect("when it is over, one that it has", "revoked", leaf, w.root)
	})
}

// Reasons are added up over lists (RFC 5280, section 6.3.3).
func TestListsForSomeReasons(t *testing.T) {
	for _, test := range []struct {
		name  string
		other []int
		want  string
	}{
		{"together all", []int{3, 4, 5, 6, 7, 8}, "passed"},
		{"together not all", []int{3, 4, 5, 6, 7}, "unknown"},
	} {
		bubble(t, test.name, func(t *testing.T) {
			w := inBubble(t)
			point := func(host string, reasons []int) (pki.DistributionPoint, *pki.IDP) {
				uris := []string{"http://" + host + "/ca.crl"}
				return pki.DistributionPoint{URIs: uris, Reasons: reasons}, &pki.IDP{URIs: uris, Reasons: reasons}
			}
			onePoint, one := point("one", []int{1, 2})
			twoPoint, two := point("two", test.other)
			leaf := w.root.Client("leaf", pki.DistributionPoints(onePoint, twoPoint))
			bad := w.root.Client("bad", pki.DistributionPoints(onePoint, twoPoint))
			w.list("one", pki.CRL{Issuer: w.root, IDP: one})
			w.list("two", pki.CRL{Issuer: w.root, IDP: two, Entries: pki.Revoked(bad)})
			for range 2 {
				w.expect(test.name, test.want, leaf, w.root)
				w.expect("on the second", "revoked", bad, w.root)
			}
			w.fails("two", int(fetch.Connect))
			time.Sleep(48 * time.Hour)
			w.expect("the second is over", "unknown", leaf, w.root)
		})
	}
}

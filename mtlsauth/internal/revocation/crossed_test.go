package revocation_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// A responder that takes GET alone, and does not know one certificate (RFC 5019
// from a cache), is asked for the others by GET as before, whatever certificate named it.
func TestOneNotFoundIsNotForOthers(t *testing.T) {
	for name, issuer := range map[string]func(w *world) *pki.Certificate{
		"another CA's": func(*world) *pki.Certificate { return pki.NewCA("other") },
		"the same's":   func(w *world) *pki.Certificate { return w.root },
	} {
		bubble(t, name, func(t *testing.T) {
			w := inBubble(t)
			w.settings.Mode = revocation.IgnoreCAError
			ca := issuer(w)
			absent, bad := ca.Client("absent", ocsp("ocsp")), w.root.Client("bad", ocsp("ocsp"))
			r := pki.NewResponder(w.root)
			r.Revoke(bad, 1)
			var known atomic.Bool
			w.put("ocsp", http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
				switch {
				case q.Method != http.MethodGet:
					rw.WriteHeader(http.StatusMethodNotAllowed)
				case !known.Load():
					rw.WriteHeader(http.StatusNotFound)
				default:
					r.ServeHTTP(rw, q)
				}
			}))
			w.expect("not found", "passed", absent, ca)
			known.Store(true)
			time.Sleep(10 * time.Second)
			w.expect("revoked", "revoked", bad, w.root)
		})
	}
}

// A revocation by a signer whose own status could not be had refuses where it was
// told, and no others.
func TestADoubtfulRevocationIsNotRemembered(t *testing.T) {
	bubble(t, "both", func(t *testing.T) {
		w := inBubble(t)
		delegate := w.root.OCSPSigner("delegate", checked, ocsp("ca"))
		leaf := w.root.Client("leaf", ocsp("ocsp"), crl("crl"))
		w.responder("ca", w.root).Revoke(delegate, 1) // its key was stolen
		r := w.responder("ocsp", w.root)
		r.Revoke(leaf, 1)
		r.Change(func(response *pki.OCSPResponse) { response.Signer = delegate })
		w.list("crl", pki.CRL{Issuer: w.root})
		w.fails("ca", int(fetch.Connect))
		w.settings.Mode = revocation.IgnoreCAError
		w.expect("the delegate's own status can not be had", "revoked", leaf, w.root)
		w.fails("ca", -1)
		time.Sleep(10 * time.Second)
		w.settings.Mode = revocation.Strict
		w.expect("the delegate is revoked, the CRL says good", "passed", leaf, w.root)
	})
}

// slow answers no request at one host in time, though before any time-out.
type slow struct{ *network }

func (s slow) Do(ctx context.Context, r fetch.Request, how fetch.How, n int64) (*fetch.Response, error) {
	if !strings.HasPrefix(r.URL, "http://slow") {
		return s.network.Do(ctx, r, how, n)
	}
	select {
	case <-ctx.Done():
		return nil, &fetch.Error{Kind: fetch.Timeout, Err: ctx.Err()}
	case <-time.After(9 * time.Second):
		return nil, &fetch.Error{Kind: fetch.Status, Err: errors.New("500")}
	}
}

// However many certificates of one CA wait for a slow responder: those of others
// are asked about.
func TestOneCAsFloodLeavesOthersRoom(t *testing.T) {
	t.Parallel()
	bubble(t, "ignore", func(t *testing.T) {
		w := inBubble(t, func(o *revocation.Options) { o.Fetcher = slow{o.Fetcher.(*network)} })
		w.settings.Mode = revocation.IgnoreCAError
		flooding := pki.NewCA("flooding")
		other := w.root.Client("other", ocsp("ocsp"))
		w.responder("ocsp", w.root).Good(other)
		base := flooding.Client("x", ocsp("slow"))
		var wg sync.WaitGroup
		for n := range 4200 {
			c := *base.Read()
			c.Serial = new(big.Int).Add(base.SerialNumber, big.NewInt(int64(n+1))).Bytes()
			wg.Go(func() { w.check([]*certificate.Certificate{&c, flooding.Read()}) })
		}
		time.Sleep(time.Second)
		w.expect("while another CA's responder is slow", "passed", other, w.root)
		wg.Wait()
	})
}

// However many addresses of one CA do not answer: the lists of others stay.
func TestAddressesWithoutAnswerPushNothingOut(t *testing.T) {
	bubble(t, "strict", func(t *testing.T) {
		w := inBubble(t)
		many := pki.NewCA("many")
		good := w.root.Client("good", crl("crl"))
		w.list("crl", pki.CRL{Issuer: w.root})
		w.expect("before", "passed", good, w.root)
		w.fails("crl", int(fetch.Connect))
		time.Sleep(time.Minute)
		for n := range 501 {
			var points []pki.DistributionPoint
			for m := range 4 {
				points = append(points, pki.DistributionPoint{URIs: []string{fmt.Sprintf("http://nowhere/%d/%d", n, m)}})
			}
			w.check(path(many.Client("x", pki.DistributionPoints(points...)), many))
		}
		w.expect("after 2,004 addresses of another CA", "passed", good, w.root)
	})
}

package e2e

import (
	"strings"
	"sync"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// trouble is a way in which an address gives nothing usable, by what is done to
// a responder and to the host of a CRL; nil for what a CRL has no like of.
type trouble struct {
	name    string
	ocsp    func(*pki.Responder)
	crl     func(*pki.CRLHost, pki.CRL)
	because string // in the log, of OCSP
	listed  string // of the CRL
}

func troubles(stranger *pki.Certificate) []trouble {
	change := func(f func(*pki.OCSPResponse)) func(*pki.Responder) {
		return func(r *pki.Responder) { r.Change(f) }
	}
	list := func(f func(*pki.CRL)) func(*pki.CRLHost, pki.CRL) {
		return func(h *pki.CRLHost, c pki.CRL) { f(&c); h.Set(c.DER()) }
	}
	both := func(name string, t pki.Trouble, because string) trouble {
		return trouble{name, func(r *pki.Responder) { r.Trouble(t) }, func(h *pki.CRLHost, _ pki.CRL) { h.Trouble(t) }, because, because}
	}
	return []trouble{
		both("500", pki.Trouble{Status: 500}, "status 500"),
		both("404", pki.Trouble{Status: 404}, "status 404"),
		{"empty", func(r *pki.Responder) { r.Trouble(pki.Trouble{Status: 200}) },
			func(h *pki.CRLHost, _ pki.CRL) { h.Set(nil) }, "judging the response", "reading the CRL"},
		{"malformed", func(r *pki.Responder) { r.Trouble(pki.Trouble{Status: 200, Body: []byte("<html>")}) },
			func(h *pki.CRLHost, _ pki.CRL) { h.Set([]byte("<html>")) }, "judging the response", "reading the CRL"},
		{"too large", func(r *pki.Responder) { r.Trouble(pki.Trouble{Status: 200, Body: make([]byte, 64<<10+1)}) },
			list(func(c *pki.CRL) { c.RawEntries = pki.Serials(1000, 16) }), "larger than allowed", "larger than allowed"},
		{"tryLater", change(func(r *pki.OCSPResponse) { r.ResponseStatus = 3 }), nil, "tryLater", ""},
		{"unauthorized", change(func(r *pki.OCSPResponse) { r.ResponseStatus = 6 }), nil, "unauthorized", ""},
		{"stale", change(func(r *pki.OCSPResponse) {
			r.Singles[0].ThisUpdate, r.Singles[0].NextUpdate = inSeconds(-60), inSeconds(-1)
		}), list(func(c *pki.CRL) { c.ThisUpdate, c.NextUpdate = inSeconds(-60), inSeconds(-1) }), "its time was over", "CRL is past its nextUpdate"},
		{"wrongly signed", change(func(r *pki.OCSPResponse) { r.Signer = stranger }),
			list(func(c *pki.CRL) { c.Signer = stranger }), "judging the response", "judging the CRL"},
		{"a bit flipped", change(func(r *pki.OCSPResponse) { r.CorruptSignature = true }),
			list(func(c *pki.CRL) { c.CorruptSignature = true }), "signature", "signature"},
	}
}

// A38, A39, A40, EE 10: what gives nothing usable says nothing, neither good nor
// revoked. STRICT refuses, IGNORE_CA_ERROR passes with a notice; what a bad
// answer claims is not believed.
func TestNothingUsable(t *testing.T) {
	t.Parallel()
	root, stranger := pki.NewCA("root"), pki.NewCA("stranger")
	r := newStatusRig(t, cas{idA: root}, bothModes(), flags("-max-crl-size 8KiB"))
	for _, trouble := range troubles(stranger) {
		responder, host := newResponder(t, root), newCRLHost(t, pki.CRL{Issuer: root})
		trouble.ocsp(responder)
		by := map[string]string{"by OCSP": trouble.because}
		certs := map[string]*pki.Certificate{"by OCSP": root.Client("client", pki.OCSPServer(responder.URL()))}
		if trouble.crl != nil {
			trouble.crl(host, pki.CRL{Issuer: root})
			certs["by CRL"], by["by CRL"] = root.Client("client", pki.CRLDistributionPoint(host.URL())), trouble.listed
			certs["by both"] = root.Client("client", pki.OCSPServer(responder.URL()), pki.CRLDistributionPoint(host.URL()))
			by["by both"] = trouble.because
		}
		for how, cert := range certs {
			responder.Good(cert)
			what := "A38 " + trouble.name + ", " + how
			r.expectStatus(what, "/strict", cert, isUnknown, by[how])
			r.expectStatus(what, "/ignore", cert, passesNoted, by[how])
		}
		// The same of a revocation: a forged one keeps no client out.
		if trouble.name != "stale" {
			cert := root.Client("revoked", pki.OCSPServer(responder.URL()))
			responder.Revoke(cert, 1)
			r.expectStatus("A39 a revocation, "+trouble.name, "/ignore", cert, passesNoted, trouble.because)
		}
		if trouble.crl != nil && trouble.name != "stale" {
			cert := root.Client("revoked", pki.CRLDistributionPoint(host.URL()+"/other"))
			trouble.crl(host, pki.CRL{Issuer: root, Entries: pki.Revoked(cert)})
			r.expectStatus("A40 a revocation by CRL, "+trouble.name, "/ignore", cert, passesNoted, trouble.listed)
		}
	}

	// One notice for one request, and no other line of it.
	dead := root.Client("dead", pki.OCSPServer(newClosedPort(t).address))
	before := len(r.pluginLines())
	r.expectStatus("EE 10 a dead responder", "/ignore", dead, passesNoted, "connection refused")
	notices := 0
	for _, line := range r.pluginLines()[before:] {
		if strings.HasPrefix(line, "[notice]") {
			notices++
		} else if !strings.Contains(line, "cannot be had") { // the fault, for the operator
			t.Errorf("EE 10 logged %s", line)
		}
	}
	if notices != 1 {
		t.Errorf("EE 10 a dead responder: %d notices, want 1", notices)
	}
	r.expectStatus("A38 a dead responder", "/strict", dead, isUnknown, "connection refused")
	deadCRL := root.Client("dead", pki.CRLDistributionPoint(newClosedPort(t).address))
	r.expectStatus("A38 a dead host of a CRL", "/ignore", deadCRL, passesNoted, "connection refused")
	r.expectStatus("A38 a dead host of a CRL", "/strict", deadCRL, isUnknown, "connection refused")
	deadBoth := root.Client("dead", pki.OCSPServer(newClosedPort(t).address), pki.CRLDistributionPoint(newClosedPort(t).address))
	r.expectStatus("A38 both dead", "/ignore", deadBoth, passesNoted, "connection refused")
	r.expectStatus("A38 both dead", "/strict", deadBoth, isUnknown, "connection refused")
}

// A43, EE 16: no exchange takes longer than http_timeout, and all those of one
// request together no longer than twice that, whatever the certificate names.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	ofTime(t)
	root := pki.NewCA("root")
	const (
		timeout = 2 * time.Second
		slack   = 6 * time.Second // what a busy machine takes besides
	)
	r := newStatusRig(t, cas{idA: root}, bothModes(object{"http_timeout": timeout.Milliseconds()}))
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, test := range []struct {
		name       string
		ocsp, crls int // addresses that hang
		times      time.Duration
	}{
		{"EE 16 OCSP hangs", 1, 0, 1},
		{"EE 16 the CRL hangs", 0, 1, 1},
		{"A43 everything hangs", 4, 4, 2},
	} {
		for path, want := range map[string]int{"/strict": 401, "/ignore": 200} {
			// Hosts of its own: what was tried a moment ago is not tried again.
			hanging := pki.Trouble{Hang: true}
			var options []pki.Option
			for range test.ocsp {
				responder := newResponder(t, root)
				responder.Trouble(hanging)
				options = append(options, pki.OCSPServer(responder.URL()))
			}
			for range test.crls {
				host := newCRLHost(t, pki.CRL{Issuer: root})
				host.Trouble(hanging)
				options = append(options, pki.CRLDistributionPoint(host.URL()))
			}
			c := r.client(root.Client("client", options...))
			wg.Go(func() {
				began := time.Now()
				got, err := fetch(c, r.URLTLS()+path)
				took := time.Since(began)
				if err != nil || got.status != want {
					t.Errorf("%s on %s: got %d, %v, want %d", test.name, path, got.status, err, want)
				}
				if took < test.times*timeout-50*time.Millisecond || took > test.times*timeout+slack {
					t.Errorf("%s on %s took %v, want the time of %d exchanges", test.name, path, took, test.times)
				}
			})
		}
	}
}

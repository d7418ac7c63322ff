package authn_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/revocation/crldir"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// near fetches from a handler.
type near struct{ http.Handler }

func (n near) Do(_ context.Context, r fetch.Request, _ fetch.How, _ int64) (*fetch.Response, error) {
	w := httptest.NewRecorder()
	request := httptest.NewRequest(cmp.Or(r.Method, http.MethodGet), r.URL, bytes.NewReader(r.Body))
	if r.ContentType != "" {
		request.Header.Set("Content-Type", r.ContentType)
	}
	n.ServeHTTP(w, request)
	result := w.Result()
	return &fetch.Response{Status: result.StatusCode, Body: result.Body}, nil
}

// checking makes a policy check status with a folder of CRLs or a responder.
func checking(folder *crldir.Folder, fetcher revocation.Fetcher) func(*authn.Options) {
	checker := revocation.New(revocation.Options{Folder: folder, Fetcher: fetcher, Memory: revocation.NewMemory(1 << 20), MaxCRLSize: 1 << 20})
	return func(o *authn.Options) { o.Checker, o.Status = checker, &revocation.Settings{HTTPTimeout: time.Second} }
}

func folderOf(t *testing.T, lists ...pki.CRL) *crldir.Folder {
	t.Helper()
	dir := t.TempDir()
	for i, list := range lists {
		list.NextUpdate = time.Now().Add(time.Hour)
		if err := os.WriteFile(filepath.Join(dir, string(rune('a'+i))+".crl"), list.DER(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	folder := crldir.Open(dir, crldir.Options{})
	go folder.Run(t.Context())
	<-folder.Ready()
	return folder
}

// A configured certificate signs OCSP responses about all others where it says so itself
// (RFC 6960, section 4.2.2.2, first case), and otherwise about none.
func TestConfiguredResponders(t *testing.T) {
	root := pki.NewCA("root")
	leaf := root.Client("leaf", pki.OCSPServer("http://ocsp.example"))
	signs := pki.With(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign })
	for _, test := range []struct {
		name   string
		signer *pki.Certificate
		want   authn.Reason
	}{
		{"the issuer", root, authn.Passed},
		{"a configured responder", pki.NewCA("responder", signs, pki.ExtKeyUsage(x509.ExtKeyUsageOCSPSigning)), authn.Passed},
		{"a configured CA", pki.NewCA("other", signs), authn.StatusUnknown},
		{"a configured CA for clients", pki.NewCA("other", signs, pki.ExtKeyUsage(x509.ExtKeyUsageClientAuth)), authn.StatusUnknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			responder := pki.NewResponder(root)
			responder.Good(leaf)
			responder.Change(func(r *pki.OCSPResponse) {
				r.Signer, r.ResponderID, r.Certificates = test.signer, test.signer, [][]byte{}
			})
			p := policyOf(trusting(root, test.signer), checking(nil, near{responder}))
			if d := authenticate(p, sent(leaf)); d.Reason != test.want {
				t.Errorf("got %v (%s), want %v", d.Reason, d.Detail, test.want)
			}
		})
	}
}

// A CRL may be signed by another certificate of the issuer's name, which the client has sent.
func TestCRLSignersThatWereSent(t *testing.T) {
	root := pki.NewCA("root")
	issuing, renewed := root.Intermediate("issuing"), root.Intermediate("issuing")
	good, revoked := issuing.Client("good"), issuing.Client("revoked")
	folder := folderOf(t, pki.CRL{Issuer: root}, pki.CRL{Issuer: renewed, Entries: pki.Revoked(revoked)})
	p := policyOf(trusting(root), checking(folder, nil))
	for leaf, want := range map[*pki.Certificate]authn.Reason{good: authn.Passed, revoked: authn.Revoked} {
		presented := sent(leaf)
		presented.Chain = append(presented.Chain, renewed.PEM()...)
		if d := authenticate(p, presented); d.Reason != want {
			t.Errorf("%s: got %v (%s), want %v", leaf.Subject, d.Reason, d.Detail, want)
		}
		if d := authenticate(p, sent(leaf)); d.Reason == authn.Passed {
			t.Errorf("%s without the CRL's signer: passed", leaf.Subject)
		}
	}
}

// Of two ways up one is revoked: the decision is about the other one.
func TestTheAnchorOfThePathThatStands(t *testing.T) {
	one, two := pki.NewCA("one"), pki.NewCA("two")
	first := one.Intermediate("inter")
	second := two.Intermediate("inter", pki.Key(first.Key))
	for _, test := range []struct {
		name    string
		revoked *pki.Certificate
		by      *pki.Certificate
		want    string
	}{{"the first", first, one, "aa"}, {"the second", second, two, "a"}} {
		t.Run(test.name, func(t *testing.T) {
			folder := folderOf(t, pki.CRL{Issuer: one, Entries: entriesOf(test.by == one, first)}, pki.CRL{Issuer: two, Entries: entriesOf(test.by == two, second)}, pki.CRL{Issuer: first})
			p := policyOf(trusting(one, two, first, second), checking(folder, nil))
			presented := sent(first.Client("leaf"))
			if d := authenticate(p, presented); !d.Passed() || d.CA != test.want {
				t.Errorf("%v (%s) below %q, want %q", d.Reason, d.Detail, d.CA, test.want)
			}
		})
	}
}

func entriesOf(revoked bool, c *pki.Certificate) []pki.CRLEntry {
	if revoked {
		return pki.Revoked(c)
	}
	return nil
}

// A refusal because status is unknown lasts no longer than what is known: it is found out
// again at once where it can be.
func TestWhatAnUnknownStatusRestsOn(t *testing.T) {
	root := pki.NewCA("root")
	p := policyOf(trusting(root), checking(nil, near{http.NotFoundHandler()}), func(o *authn.Options) {
		o.Status = &revocation.Settings{Mode: revocation.IgnoreCAError, HTTPTimeout: time.Second}
	})
	leaf := root.Client("leaf", pki.OCSPServer("http://ocsp.example"))
	now := time.Now()
	d := p.Authenticate(t.Context(), sent(leaf), nil, now)
	if !d.Passed() || len(d.Notes) == 0 || d.Left(now) > 5*time.Minute {
		t.Errorf("%v for %v, notes %q: want a pass with a note for a while", d.Reason, d.Left(now), d.Notes)
	}
}

// A limit that the check of status has reached is counted, and other faults of it are not.
func TestLimitsOfTheCheckAreCounted(t *testing.T) {
	root := pki.NewCA("root")
	limiter := authn.NewLimiter(nil)
	p := policyOf(trusting(root), checking(nil, panicking{}), func(o *authn.Options) { o.Limiter = limiter })
	leaf := root.Client("leaf", pki.OCSPServer("http://ocsp.example"))
	if d := authenticate(p, sent(leaf)); d.Reason != authn.Internal {
		t.Fatalf("got %v (%s), want internal", d.Reason, d.Detail)
	}
	if got := limiter.Reached()["revocation"]; got != 0 {
		t.Errorf("a panic is counted as a limit %d times", got)
	}
}

type panicking struct{}

func (panicking) Do(context.Context, fetch.Request, fetch.How, int64) (*fetch.Response, error) {
	panic("a fault")
}

// Lookups of names and of the default consumer are bounded together, cached or not.
func TestAllLookupsOfARequestEndInTime(t *testing.T) {
	fallback := func(o *authn.Options) { o.Consumers.Default = consumer.ParseRef("all") }
	uncached := func(o *authn.Options) { o.Lookups = nil }
	for name, change := range map[string][]func(*authn.Options){
		"consumer": looking(fallback), "uncached": looking(fallback, uncached),
		"anonymous": {anonymous("guest"), uncached}, "cached anonymous": looking(anonymous("guest"), func(o *authn.Options) { o.Consumers = nil }),
	} {
		inBubble(t, name, func(t *testing.T) {
			root, began := pki.NewCA("root"), time.Now()
			presented := sent(root.Client("x"))
			if name == "anonymous" || name == "cached anonymous" {
				presented = authn.Presented{}
			}
			d := identify(policyOf(trusting(root), change...), presented, silent{}, began)
			if took := time.Since(began); d.Reason != authn.LookupFailed || took > consumer.MaxWait {
				t.Errorf("%v after %v, want lookup_failed within %v", d.Reason, took, consumer.MaxWait)
			}
		})
	}
}

package revocation_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
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

// Those tests that run beside others mostly wait: more at once than there are processors.
func TestMain(m *testing.M) {
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		parallel.Value.Set("8")
	}
	os.Exit(m.Run())
}

// bubble runs a part of a test with a time of its own.
func bubble(t *testing.T, name string, f func(*testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// network is a Fetcher that reaches handlers by the host of the address, and
// nothing else.
type network struct {
	mu    sync.Mutex
	hosts map[string]http.Handler
	down  map[string]fetch.Kind
	seen  []fetch.Request
}

func (n *network) Do(ctx context.Context, r fetch.Request, how fetch.How, maxBytes int64) (*fetch.Response, error) {
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nil, &fetch.Error{Kind: fetch.BadAddress, Err: err}
	}
	for name, value := range map[string]string{"Content-Type": r.ContentType, "If-None-Match": r.IfNoneMatch, "If-Modified-Since": r.IfModifiedSince} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	n.mu.Lock()
	n.seen = append(n.seen, r)
	handler, kind, down := n.hosts[request.URL.Host], n.down[request.URL.Host], false
	if _, down = n.down[request.URL.Host]; handler == nil {
		kind, down = fetch.Connect, true
	}
	n.mu.Unlock()
	if down && kind == busy {
		return nil, revocation.ErrLimit
	}
	if down {
		return nil, &fetch.Error{Kind: kind, Err: errors.New("down")}
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	switch {
	case ctx.Err() != nil:
		return nil, &fetch.Error{Kind: fetch.Timeout, Err: ctx.Err()}
	case answer.Code != http.StatusOK && (answer.Code != http.StatusNotModified || r.IfNoneMatch == "" && r.IfModifiedSince == ""):
		return nil, &fetch.Error{Kind: fetch.Status, Err: errors.New(http.StatusText(answer.Code))}
	case int64(answer.Body.Len()) > maxBytes:
		return nil, &fetch.Error{Kind: fetch.TooLarge, Err: errors.New("too large")}
	}
	return &fetch.Response{
		Status: answer.Code, ETag: answer.Header().Get("ETag"), LastModified: answer.Header().Get("Last-Modified"), Body: io.NopCloser(answer.Body),
	}, nil
}

// requests returns those to a host so far, as method and URL. An empty one is
// any.
func (n *network) requests(host string) (list []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.seen {
		if strings.Contains(r.URL, "//"+host) {
			list = append(list, r.Method+" "+r.URL)
		}
	}
	return list
}

// count returns how many there were in all.
func (n *network) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.seen)
}

// busy has fails stand for a limit of our own.
const busy = 100

// fails has exchanges with a host fail, none with -1.
func (n *network) fails(host string, kind int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.down, host)
	if kind >= 0 {
		n.down[host] = fetch.Kind(kind)
	}
}

// known is a Trust that knows what it was told.
type known struct {
	configured []*pki.Certificate
	signers    [][]*certificate.Certificate
	responders []*pki.Certificate
}

func (k known) Configured(cert *certificate.Certificate) bool {
	return slices.ContainsFunc(k.configured, func(c *pki.Certificate) bool { return c.Read().Equal(cert) })
}

func (k known) CRLSigners(name []byte, anchor *certificate.Certificate, signed func(*certificate.Certificate) bool) (paths [][]*certificate.Certificate) {
	for _, path := range k.signers {
		if bytes.Equal(path[0].RawSubject, name) && signed(path[0]) && path[len(path)-1].Equal(anchor) {
			paths = append(paths, path)
		}
	}
	return paths
}

func (k known) OCSPResponders() (own []*certificate.Certificate) {
	for _, c := range k.responders {
		own = append(own, c.Read())
	}
	return own
}

// world is what most tests start from: a checker, the root CA and the network.
type world struct {
	*testing.T
	*network
	root     *pki.Certificate
	checker  *revocation.Checker
	settings revocation.Settings
	trust    known
}

// newWorld returns one whose checker runs until the test ends.
func newWorld(t *testing.T, change ...func(*revocation.Options)) *world {
	w := &world{
		T: t, network: &network{hosts: map[string]http.Handler{}, down: map[string]fetch.Kind{}}, root: pki.NewCA("root"),
		settings: revocation.Settings{HTTPTimeout: 10 * time.Second, CertCacheTTL: time.Minute},
	}
	o := revocation.Options{Fetcher: w.network, MaxCRLSize: 1 << 20, Memory: revocation.NewMemory(64 << 20)}
	for _, f := range change {
		f(&o)
	}
	w.checker = revocation.New(o)
	go w.checker.Run(t.Context())
	return w
}

// inBubble returns one whose exchanges are over before the bubble ends.
func inBubble(t *testing.T, change ...func(*revocation.Options)) *world {
	w := newWorld(t, change...)
	t.Cleanup(func() { time.Sleep(2 * time.Minute) })
	return w
}

// put puts a handler on the network.
func (n *network) put(host string, handler http.Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[host] = handler
}

// responder puts one for the issuer on the network.
func (w *world) responder(host string, issuer *pki.Certificate) *pki.Responder {
	r := pki.NewResponder(issuer)
	w.put(host, r)
	return r
}

// list puts a host of a CRL on the network.
func (w *world) list(host string, c pki.CRL) *pki.CRLHost {
	h := pki.NewCRLHost(c.DER())
	w.put(host, h)
	return h
}

func path(certs ...*pki.Certificate) (list []*certificate.Certificate) {
	for _, c := range certs {
		list = append(list, c.Read())
	}
	return list
}

func (w *world) check(paths ...[]*certificate.Certificate) revocation.Result {
	return w.checker.Check(context.Background(), paths, w.trust, w.settings, time.Now())
}

var verdicts = map[revocation.Verdict]string{
	revocation.Unjudged: "unjudged", revocation.Revoked: "revoked", revocation.StatusUnknown: "unknown", revocation.Passed: "passed",
}

// expect checks one path.
func (w *world) expect(what, want string, certs ...*pki.Certificate) revocation.Result {
	w.Helper()
	return w.expectAll(what, want, path(certs...))
}

// stands returns a function that reports whether results from now still stand.
func (w *world) stands() func() bool {
	was := w.checker.Replaced()
	return func() bool { return w.checker.Replaced() == was }
}

// expectAll checks several, and that what comes with a verdict fits it.
func (w *world) expectAll(what, want string, paths ...[]*certificate.Certificate) revocation.Result {
	w.Helper()
	r := w.check(paths...)
	if got := verdicts[r.Verdict]; got != want {
		w.Errorf("%s: got %s (%v), want %s", what, got, r.Err, want)
	}
	passed := r.Verdict == revocation.Passed
	if passed != (r.Err == nil) || passed != (len(r.Standing) > 0) {
		w.Errorf("%s: %s with %d standing paths and error %v", what, verdicts[r.Verdict], len(r.Standing), r.Err)
	}
	return r
}

func ocsp(host string) pki.Option { return pki.OCSPServer("http://" + host) }
func crl(host string) pki.Option {
	return pki.CRLDistributionPoint("http://" + host + "/ca.crl")
}

// both are the modes that check.
var both = map[string]revocation.Mode{"STRICT": revocation.Strict, "IGNORE_CA_ERROR": revocation.IgnoreCAError}

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// A limit of our own is neither an answer nor the lack of one: 500 in both
// modes, with anonymous too. A responder that hangs holds all exchanges that the
// certificates of one CA may have at once; who comes then could wait only less
// long than they do.
func TestLimitsOfOurOwn(t *testing.T) {
	t.Parallel()
	root, other := newAuthority(t, pki.NewCA("root")), newAuthority(t, pki.NewCA("other"))
	hold, asked := make(chan struct{}), atomic.Int64{}
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		asked.Add(1)
		<-hold
		path, _, _ := strings.Cut(request.URL.EscapedPath()[1:], "/")
		http.StripPrefix("/"+path, root.responder).ServeHTTP(w, request)
	}))
	t.Cleanup(host.Close)
	release := sync.OnceFunc(func() { close(hold) })
	t.Cleanup(release)
	both := object{"ca_certificates": []string{idA, idB}, "anonymous": "guest"}
	// More than those who hold the exchanges may wait for the first of them to
	// end, and far less than it takes.
	brief := object{"http_timeout": 400}
	r := newStatusRig(t, cas{idA: root.Certificate, idB: other.Certificate}, routes{
		"/long":   checked("STRICT", both, object{"http_timeout": 40_000}),
		"/strict": checked("STRICT", both, brief), "/ignore": checked("IGNORE_CA_ERROR", both, brief),
	}, with(t, consumers(consumer(idGuest, "guest"))))
	const exchanges = 32 // of one CA
	held := make(chan error, exchanges)
	for n := range exchanges {
		// An address of its own for each: three that hang hold back all others
		// of an address.
		cert := root.Client("held", pki.OCSPServer(host.URL+"/held"+strconv.Itoa(n)))
		root.responder.Good(cert)
		c := r.client(cert)
		go func() {
			got, err := fetch(c, r.URLTLS()+"/long")
			switch {
			case err != nil:
			case got.status != http.StatusOK:
				err = fmt.Errorf("got %d %q", got.status, got.message)
			case got.seen.Get("X-Anonymous-Consumer") != "":
				err = errors.New("went on as anonymous")
			}
			held <- err
		}()
	}
	for deadline := time.Now().Add(30 * time.Second); asked.Load() < exchanges; time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-held:
			t.Fatalf("a request ended before its responder answered: %v", err)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d exchanges are under way after 30 s", asked.Load(), exchanges)
		}
	}

	for _, test := range []struct {
		name string
		cert *pki.Certificate
	}{
		{"one exchange too many of a CA", root.Client("late", pki.OCSPServer(host.URL+"/late"))},
		{"one exchange too many of a CA, by CRL", root.Client("late", root.byCRL())},
	} {
		for _, path := range []string{"/strict", "/ignore"} {
			within(t, test.name, 20*time.Second, func() { r.expectStatus(test.name, path, test.cert, isOurs, "limit reached") })
		}
	}
	// Others are served meanwhile.
	good := other.Client("good", other.byOCSP())
	other.responder.Good(good)
	r.expectStatus("another CA at another host", "/strict", good, passes)
	r.expectStatus("another CA at another host", "/ignore", good, passes)

	// And so are those who held them, in the end.
	release()
	for range exchanges {
		if err := <-held; err != nil {
			t.Error(err)
		}
	}
}

package revocation_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// TestMethods: GET where that is short and the address has no query, else POST;
// and POST after a GET that the server may not know (RFC 5019, section 5).
func TestMethods(t *testing.T) {
	for _, test := range []struct {
		name    string
		address string
		status  int // of the answer to GET, 0 for a good one
		want    string
	}{
		{"short", "http://ocsp", 0, "GET"},
		{"short, with a slash", "http://ocsp/", 0, "GET"},
		{"with a query", "http://ocsp/?ca=1", 0, "POST"},
		{"long", "http://ocsp/" + strings.Repeat("a", 200), 0, "POST"},
		{"GET is not allowed", "http://ocsp", 405, "GET POST"},
		{"GET is not found", "http://ocsp", 404, "GET POST"},
		{"GET is a bad request", "http://ocsp", 400, "GET POST"},
		{"GET is not implemented", "http://ocsp", 501, "GET POST"},
		{"GET is forbidden", "http://ocsp", 403, "GET POST"},
		{"GET is an error", "http://ocsp", 500, "GET POST"},
		{"GET is malformedRequest", "http://ocsp", malformedRequest, "GET POST"},
		{"GET is unauthorized", "http://ocsp", unauthorized, "GET POST"},
		{"GET is HTML", "http://ocsp", html, "GET POST"},
		{"GET is empty", "http://ocsp", 200, "GET POST"},
	} {
		bubble(t, test.name, func(t *testing.T) {
			w := inBubble(t)
			leaf, another := w.root.Client("leaf", pki.OCSPServer(test.address)), w.root.Client("another", pki.OCSPServer(test.address))
			r := pki.NewResponder(w.root)
			r.Good(leaf, another)
			w.put("ocsp", http.HandlerFunc(func(rw http.ResponseWriter, request *http.Request) {
				if test.status != 0 && request.Method == http.MethodGet {
					switch test.status {
					case malformedRequest, unauthorized:
						rw.Write([]byte{0x30, 3, 10, 1, byte(-test.status)})
					case html:
						rw.Write([]byte("<html>This is an OCSP responder</html>"))
					default:
						rw.WriteHeader(test.status)
					}
					return
				}
				r.ServeHTTP(rw, request)
			}))
			w.expect("first", "passed", leaf, w.root)
			if got := w.methods(); got != test.want {
				t.Errorf("asked by %s, want %s", got, test.want)
			}
			// That a server takes POST alone is remembered.
			w.seen = nil
			w.expect("of another certificate", "passed", another, w.root)
			_, last, found := strings.Cut(test.want, " ")
			if !found {
				last = test.want
			}
			if got := w.methods(); got != last {
				t.Errorf("the second time asked by %s, want %s", got, last)
			}
		})
	}
}

// Answers to GET beside a status: an OCSPResponseStatus, negative, and a page.
const (
	malformedRequest = -1
	unauthorized     = -6
	html             = -100
)

func (n *network) methods() string {
	var list []string
	for _, r := range n.requests("ocsp") {
		method, _, _ := strings.Cut(r, " ")
		list = append(list, method)
	}
	return strings.Join(list, " ")
}

// A host that cannot be connected to is so for all: others do not wait for it
// as well. One that gives no answer is, after three have waited, so for its
// issuer's certificates.
func TestBreakersAreUsed(t *testing.T) {
	for _, test := range []struct {
		name   string
		kind   fetch.Kind
		first  int // certificates that are asked about
		others bool
	}{
		{"unreachable", fetch.Connect, 1, false},
		{"silent", fetch.Timeout, 3, true},
		{"with rubbish", fetch.Protocol, 16, true},
	} {
		bubble(t, test.name, func(t *testing.T) {
			w := inBubble(t)
			r := w.responder("ocsp", w.root)
			w.fails("ocsp", int(test.kind))
			for range 8 {
				w.expect("one of many", "unknown", w.root.Client("leaf", ocsp("ocsp")), w.root)
			}
			if n := len(w.requests("ocsp")); n != test.first {
				t.Errorf("%d exchanges, want %d", n, test.first)
			}
			inter := w.root.Intermediate("inter")
			w.trust.configured = []*pki.Certificate{inter}
			w.expect("of another issuer", "unknown", inter.Client("leaf", ocsp("ocsp")), inter, w.root)
			if asked := len(w.requests("ocsp")) > test.first; asked != test.others {
				t.Errorf("asked for another issuer is %v", asked)
			}
			w.fails("ocsp", -1)
			time.Sleep(2 * time.Second)
			good := w.root.Client("good", ocsp("ocsp"))
			r.Good(good)
			w.expect("when it is up again", "passed", good, w.root)
		})
	}
}

// One trust anchor's responders are slow, as many as there are; another's
// clients do not wait for them.
func TestSlowAnchor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inBubble(t)
		w.responder("slow", w.root).Trouble(pki.Trouble{Hang: true})
		for range 100 {
			leaf := w.root.Client("leaf", ocsp("slow"))
			go w.check(path(leaf, w.root))
		}
		synctest.Wait()
		other := pki.NewCA("other")
		good := other.Client("good", ocsp("quick"))
		w.responder("quick", other).Good(good)
		w.took("of another anchor", 0, func() { w.expect("of another anchor", "passed", good, other) })
		if n := len(w.requests("slow")); n != 32 {
			t.Errorf("%d exchanges run for the slow one, want 32", n)
		}
	})
}

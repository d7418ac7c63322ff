package revocation_test

import (
	"fmt"
	"net/http"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// An intermediate that was issued twice, by two roots.
func TestSeveralPaths(t *testing.T) {
	for _, test := range []struct {
		name             string
		leaf             int // reason, -1 for good
		one, two         int
		want             string
		standing, notice string
	}{
		{"all is good", -1, -1, -1, "passed", "[0 1]", ""},
		{"revoked by the first root", -1, 1, -1, "passed", "[1]", ""},
		{"revoked by the second root", -1, -1, 1, "passed", "[0]", ""},
		{"revoked by both", -1, 1, 1, "revoked", "[]", ""},
		{"the leaf is revoked", 1, -1, -1, "revoked", "[]", ""},
	} {
		bubble(t, test.name, func(t *testing.T) {
			w := inBubble(t)
			other := pki.NewCA("other")
			one := w.root.Intermediate("inter", ocsp("one"))
			two := other.Intermediate("inter", ocsp("two"), pki.Key(one.Key))
			leaf := one.Client("leaf", ocsp("leaf"))
			tell := func(r *pki.Responder, c *pki.Certificate, reason int) {
				r.Good(c)
				if reason >= 0 {
					r.Revoke(c, reason)
				}
			}
			tell(w.responder("leaf", one), leaf, test.leaf)
			tell(w.responder("one", w.root), one, test.one)
			tell(w.responder("two", other), two, test.two)
			for range 2 {
				r := w.expectAll("two paths", test.want, path(leaf, one, w.root), path(leaf, two, other))
				if got := fmt.Sprint(r.Standing); got != test.standing {
					t.Errorf("paths %s stand, want %s", got, test.standing)
				}
			}
		})
	}
}

// Two CAs have one name and one responder's address: what is known is known of
// one issuer's certificate, and what fails too.
func TestTwoIssuersOfOneName(t *testing.T) {
	for name, mode := range both {
		bubble(t, name, func(t *testing.T) {
			w := inBubble(t)
			w.settings.Mode = mode
			one, two := w.root.Intermediate("inter", ocsp("root")), w.root.Intermediate("inter", ocsp("root"))
			w.responder("root", w.root).Good(one, two)
			good := one.Client("leaf", pki.Serial(7), ocsp("shared"), crl("shared"))
			bad := two.Client("leaf", pki.Serial(7), ocsp("shared"), crl("shared"))
			r := pki.NewResponder(one)
			r.Good(good)
			second := pki.NewResponder(two)
			second.Revoke(bad, 1)
			w.put("shared", http.HandlerFunc(func(rw http.ResponseWriter, request *http.Request) {
				answer := &recorded{header: http.Header{}}
				r.ServeHTTP(answer, request)
				if len(answer.body) < 20 { // unauthorized: it is about the other's
					second.ServeHTTP(rw, request)
					return
				}
				rw.Write(answer.body)
			}))
			for range 3 {
				w.expect("the first issuer's", "passed", good, one, w.root)
				w.expect("the second's of the same serial number", "revoked", bad, two, w.root)
			}
			// One of them is not answered for.
			w.put("shared", second)
			another := one.Client("another", ocsp("shared"))
			second.Good(two.Client("third", pki.Serial(9)))
			third := two.Client("third", pki.Serial(9), ocsp("shared"))
			for range 5 {
				w.expect("of an issuer that the responder does not answer for", map[string]string{"STRICT": "unknown", "IGNORE_CA_ERROR": "passed"}[name], another, one, w.root)
			}
			w.took("of the other", 0, func() { w.expect("of the other", "passed", third, two, w.root) })
		})
	}
}

type recorded struct {
	header http.Header
	body   []byte
}

func (r *recorded) Header() http.Header         { return r.header }
func (r *recorded) WriteHeader(int)             {}
func (r *recorded) Write(b []byte) (int, error) { r.body = append(r.body, b...); return len(b), nil }

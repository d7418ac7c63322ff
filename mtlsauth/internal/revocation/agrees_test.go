package revocation_test

import (
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// Responders that sign again all the time end nothing: a renewal that says the same
// leaves cached results alone. One that says something else ends it.
func TestRenewalsThatAgree(t *testing.T) {
	bubble(t, "good, then revoked", func(t *testing.T) {
		w := inBubble(t)
		responder := w.responder("ocsp.example", w.root)
		responder.Change(func(r *pki.OCSPResponse) {
			for i := range r.Singles {
				r.Singles[i].ThisUpdate, r.Singles[i].NextUpdate = time.Now(), time.Now().Add(time.Hour)
			}
		})
		client := w.root.Client("client", ocsp("ocsp.example"))
		responder.Good(client)
		w.expect("at first", "passed", client, w.root)
		if got := w.checker.Replaced(); got != 0 {
			t.Errorf("a first answer counts as %d that were replaced", got)
		}
		for n := 1; n <= 3; n++ {
			time.Sleep(time.Minute + time.Second)
			w.expect("again", "passed", client, w.root)
			if got := responder.Count(client); got <= n {
				t.Fatalf("asked %d times within %d minutes", got, n)
			}
			if got := w.checker.Replaced(); got != 0 {
				t.Errorf("renewal %d, which says the same, counts as %d that were replaced", n, got)
			}
		}
		responder.Set(pki.Single(client, pki.OCSPRevoked))
		time.Sleep(time.Minute + time.Second)
		w.expect("revoked", "revoked", client, w.root)
		if w.checker.Replaced() == 0 {
			t.Error("a revocation does not count as replaced evidence")
		}
	})
	bubble(t, "for shorter", func(t *testing.T) {
		w := inBubble(t)
		responder := w.responder("ocsp.example", w.root)
		until := func(ends time.Time) {
			responder.Change(func(r *pki.OCSPResponse) {
				for i := range r.Singles {
					r.Singles[i].ThisUpdate, r.Singles[i].NextUpdate = time.Now(), ends
				}
			})
		}
		ends := time.Now().Add(time.Hour)
		until(ends)
		client := w.root.Client("client", ocsp("ocsp.example"))
		responder.Good(client)
		w.expect("at first", "passed", client, w.root)
		until(ends.Add(-30 * time.Minute))
		time.Sleep(time.Minute + time.Second)
		w.expect("again", "passed", client, w.root)
		if w.checker.Replaced() == 0 {
			t.Error("an answer for shorter does not count as replaced evidence")
		}
	})
}

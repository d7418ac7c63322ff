package revocation_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// at sets when an entry was made, and ends it an hour later.
func at(s pki.OCSPSingle, thisUpdate time.Time) pki.OCSPSingle {
	s.ThisUpdate = thisUpdate
	return s
}

// Who was revoked stays so, in whatever mode, until a later answer takes it
// back.
func TestRevokedIsNotForgotten(t *testing.T) {
	for _, test := range []struct {
		name   string
		reason int
		after  time.Duration
		answer func(w *world, r *pki.Responder, leaf *pki.Certificate, revoked time.Time) // nil: down
		want   string
	}{
		{"its answer is over", 1, 5 * time.Hour, nil, "revoked"},
		{"a day later it is over itself", 1, 23*time.Hour + 59*time.Minute, nil, "revoked"},
		{"not known any more", 1, 5 * time.Hour, func(w *world, r *pki.Responder, leaf *pki.Certificate, revoked time.Time) { r.Forget(leaf) }, "revoked"},
		{"good, from before", 1, 10 * time.Minute, func(w *world, r *pki.Responder, leaf *pki.Certificate, revoked time.Time) {
			r.Set(at(pki.Single(leaf, pki.OCSPGood), revoked.Add(-time.Minute)))
		}, "revoked"},
		{"good, of the same instant", 1, 10 * time.Minute, func(w *world, r *pki.Responder, leaf *pki.Certificate, revoked time.Time) {
			r.Set(at(pki.Single(leaf, pki.OCSPGood), revoked))
		}, "revoked"},
		{"good, from later", 1, 10 * time.Minute, func(w *world, r *pki.Responder, leaf *pki.Certificate, revoked time.Time) { r.Good(leaf) }, "passed"},
		{"good, from before, when its answer is over", 1, 65 * time.Minute, func(w *world, r *pki.Responder, leaf *pki.Certificate, revoked time.Time) {
			s := at(pki.Single(leaf, pki.OCSPGood), revoked.Add(-time.Minute))
			s.NextUpdate = revoked.Add(10 * time.Hour)
			r.Set(s)
		}, "revoked"},
		{"on hold", 6, 10 * time.Minute, nil, "revoked"},
		{"on hold, and that is over", 6, 5 * time.Hour, nil, "passed"}, // there is no answer
		{"on hold, and taken back", 6, 10 * time.Minute, func(w *world, r *pki.Responder, leaf *pki.Certificate, revoked time.Time) { r.Good(leaf) }, "passed"},
	} {
		bubble(t, test.name, func(t *testing.T) {
			w := inBubble(t)
			w.settings.Mode = revocation.IgnoreCAError
			leaf := w.root.Client("leaf", ocsp("ocsp"))
			r := w.responder("ocsp", w.root)
			revoked := time.Now().Add(-time.Minute)
			s := at(pki.Single(leaf, pki.OCSPRevoked), revoked)
			s.Reason = test.reason
			r.Set(s)
			w.expect("at first", "revoked", leaf, w.root)
			w.fails("ocsp", int(fetch.Connect))
			time.Sleep(test.after)
			if test.answer != nil {
				test.answer(w, r, leaf, revoked)
				w.fails("ocsp", -1)
				time.Sleep(10 * time.Second)
			}
			w.expect(test.name, test.want, leaf, w.root)
			time.Sleep(10 * time.Second)
			w.expect(test.name+", again", test.want, leaf, w.root)
		})
	}
}

// The CA certificate is another, of the same name and key: what it issued is the
// same, and so is who was revoked.
func TestRevokedUnderEveryCertificateOfTheIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inBubble(t)
		w.settings.Mode = revocation.IgnoreCAError
		leaf, another := w.root.Client("leaf", ocsp("ocsp")), w.root.Client("another", ocsp("ocsp"))
		w.responder("ocsp", w.root).Revoke(leaf, 1)
		w.expect("under the first", "revoked", leaf, w.root)
		w.fails("ocsp", int(fetch.Connect))
		renewed := pki.NewCA("root", pki.Key(w.root.Key))
		w.expect("under the second", "revoked", leaf, renewed)
		w.expect("under one that spells its name otherwise", "revoked", leaf, pki.NewCA("ROOT", pki.Key(w.root.Key)))
		w.expect("another, that is not revoked", "passed", another, renewed)
		w.expect("of another key, who is another", "passed", leaf, pki.NewCA("root"))
	})
}

// A renewal in the background finds out that the certificate was revoked, and
// no request comes until that answer is over and the responder gone.
func TestRevokedBehindEverybodysBack(t *testing.T) {
	for _, test := range []struct {
		name string
		with func(*world) pki.Option
	}{
		{"by OCSP", func(w *world) pki.Option { return ocsp("ocsp") }},
		{"by CRL", func(w *world) pki.Option { return crl("crl") }},
	} {
		bubble(t, test.name, func(t *testing.T) {
			w := inBubble(t)
			w.settings.Mode = revocation.IgnoreCAError
			leaf := w.root.Client("leaf", test.with(w))
			r := w.responder("ocsp", w.root)
			r.Good(leaf)
			list := w.list("crl", pki.CRL{Issuer: w.root})
			w.expect("at first", "passed", leaf, w.root)
			r.Revoke(leaf, 1)
			list.Set(pki.CRL{Issuer: w.root, Entries: pki.Revoked(leaf), NextUpdate: time.Now().Add(time.Hour)}.DER())
			time.Sleep(10 * time.Minute)
			if n := w.count(); n != 2 {
				t.Fatalf("%d exchanges, want a renewal: the test is void", n)
			}
			for _, host := range []string{"ocsp", "crl"} {
				w.fails(host, int(fetch.Connect))
			}
			time.Sleep(5 * time.Hour)
			w.expect("hours later, and without an answer", "revoked", leaf, w.root)
		})
	}
}

// A request gives up before the answer comes: what it said is not lost.
func TestRevokedAfterTheRequestEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inBubble(t)
		w.settings.Mode = revocation.IgnoreCAError
		leaf := w.root.Client("leaf", ocsp("late"), ocsp("never"))
		late := w.responder("late", w.root)
		late.Revoke(leaf, 1)
		late.Trouble(pki.Trouble{Stall: 5 * time.Second})
		never := w.responder("never", w.root)
		never.Good(leaf)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := w.checker.Check(ctx, [][]*certificate.Certificate{path(leaf, w.root)}, w.trust, w.settings, time.Now()); got.Verdict != revocation.Passed {
			t.Errorf("before the answer: got %v (%v), want a pass", got.Verdict, got.Err)
		}
		if n := never.Count(leaf); n != 0 {
			t.Errorf("a responder was asked %d times when no request waited any more", n)
		}
		time.Sleep(10 * time.Second)
		for _, host := range []string{"late", "never"} {
			w.fails(host, int(fetch.Connect))
		}
		time.Sleep(5 * time.Hour)
		w.expect("hours later", "revoked", leaf, w.root)
	})
}

// An answer whose time is over proves still that the certificate was revoked.
func TestStaleRevocation(t *testing.T) {
	for name, want := range map[string]string{"for good": "revoked", "on hold": "passed"} {
		bubble(t, name, func(t *testing.T) {
			w := inBubble(t)
			w.settings.Mode = revocation.IgnoreCAError
			leaf := w.root.Client("leaf", ocsp("ocsp"))
			s := pki.Single(leaf, pki.OCSPRevoked)
			s.ThisUpdate, s.NextUpdate, s.Reason = time.Now().Add(-3*time.Hour), time.Now().Add(-2*time.Hour), 1
			if name == "on hold" {
				s.Reason = 6
			}
			w.responder("ocsp", w.root).Set(s)
			w.expect(name, want, leaf, w.root)
		})
	}
}

// What is older than what is known is not taken for news.
func TestRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inBubble(t)
		leaf := w.root.Client("leaf", ocsp("ocsp"))
		r := w.responder("ocsp", w.root)
		began := time.Now()
		s := at(pki.Single(leaf, pki.OCSPUnknown), began)
		s.NextUpdate = began.Add(10 * time.Hour)
		r.Set(s)
		w.expect("at first", "unknown", leaf, w.root)
		old := at(pki.Single(leaf, pki.OCSPGood), began.Add(-time.Minute))
		old.NextUpdate = began.Add(20 * time.Hour)
		r.Set(old)
		time.Sleep(5 * time.Minute)
		w.expect("a good answer from before", "unknown", leaf, w.root)
		r.Set(at(pki.Single(leaf, pki.OCSPGood), began.Add(4*time.Minute)))
		time.Sleep(5 * time.Minute)
		w.expect("a good answer from later", "passed", leaf, w.root)
	})
}

// A responder said that the certificate is revoked, and is gone; a CRL does not
// have it. The later of the two counts.
func TestRevokedByOneGoodByTheOther(t *testing.T) {
	for _, test := range []struct {
		name string
		made time.Duration // the CRL, after the answer
		want string
	}{
		{"the CRL is earlier", -time.Minute, "revoked"},
		{"the CRL is of the same instant", 0, "revoked"},
		{"the CRL is later", time.Minute, "passed"},
	} {
		for name, mode := range both {
			bubble(t, test.name+", "+name, func(t *testing.T) {
				w := inBubble(t)
				w.settings.Mode = mode
				leaf := w.root.Client("leaf", ocsp("ocsp"), crl("crl"))
				said := time.Now().Add(-10 * time.Minute)
				w.responder("ocsp", w.root).Set(at(pki.Single(leaf, pki.OCSPRevoked), said))
				w.list("crl", pki.CRL{Issuer: w.root, ThisUpdate: said.Add(test.made)})
				w.expect("at first", "revoked", leaf, w.root)
				w.fails("ocsp", int(fetch.Connect))
				time.Sleep(2 * time.Hour)
				w.expect("by the CRL", test.want, leaf, w.root)
				w.expect("by the CRL, again", test.want, leaf, w.root)
			})
		}
	}
}

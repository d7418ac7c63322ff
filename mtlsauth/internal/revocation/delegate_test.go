package revocation_test

import (
	"crypto/x509/pkix"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// flaws are what keeps a response from clearing a certificate.
var flaws = []struct {
	name   string
	change func(*pki.OCSPResponse)
}{
	{"past its nextUpdate", func(r *pki.OCSPResponse) {
		r.Singles[0].ThisUpdate, r.Singles[0].NextUpdate = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	}},
	{"from the future", func(r *pki.OCSPResponse) { r.Singles[0].ThisUpdate = time.Now().Add(time.Hour) }},
	{"an unknown critical extension", func(r *pki.OCSPResponse) {
		r.Extensions = []pkix.Extension{{Id: []int{1, 3, 6, 1, 4, 1, 55555, 1}, Critical: true, Value: []byte{5, 0}}}
	}},
}

// A response that revokes and has a flaw counts against the certificate also where a
// delegate signed it whose own status is to be asked: as far as that is believed.
func TestAFlawedRevocationByADelegate(t *testing.T) {
	for _, test := range []struct {
		name           string
		options        []pki.Option
		tell           func(*pki.Responder, *pki.Certificate)
		strict, ignore string
	}{
		{"good", []pki.Option{checked, ocsp("ca")}, func(r *pki.Responder, d *pki.Certificate) { r.Good(d) }, "revoked", "revoked"},
		{"its responder is down", []pki.Option{checked, ocsp("nowhere")}, nil, "revoked", "revoked"},
		{"revoked", []pki.Option{checked, ocsp("ca")}, func(r *pki.Responder, d *pki.Certificate) { r.Revoke(d, 1) }, "unknown", "passed"},
		{"not known", []pki.Option{checked, ocsp("ca")}, nil, "unknown", "passed"},
		{"a limit of our own for its status", []pki.Option{checked, ocsp("busy")}, nil, "unjudged", "unjudged"},
	} {
		for _, flaw := range flaws {
			for name, mode := range both {
				want := test.strict
				if mode == revocation.IgnoreCAError {
					want = test.ignore
				}
				bubble(t, test.name+", "+flaw.name+", "+name, func(t *testing.T) {
					w := inBubble(t)
					w.settings.Mode = mode
					delegate := w.root.OCSPSigner("delegate", test.options...)
					leaf := w.root.Client("leaf", ocsp("ocsp"))
					r := w.responder("ocsp", w.root)
					r.Revoke(leaf, 1)
					r.Change(func(response *pki.OCSPResponse) { response.Signer = delegate; flaw.change(response) })
					ca := w.responder("ca", w.root)
					if test.tell != nil {
						test.tell(ca, delegate)
					}
					w.responder("busy", w.root)
					w.fails("busy", busy)
					w.expect("at first", want, leaf, w.root)
					w.expect("once more", want, leaf, w.root)
					time.Sleep(10 * time.Second)
					stands := w.stands()
					w.expect("the same once more", want, leaf, w.root)
					if !stands() {
						t.Error("the same response ends what has been decided")
					}
				})
			}
		}
	}
}

// Such a revocation, and one whose time is over, counts until a later answer says
// otherwise, from wherever.
func TestADoubtfulRevocationUntilALaterAnswer(t *testing.T) {
	for _, test := range []struct {
		name string
		then func(w *world, r *pki.Responder, leaf *pki.Certificate)
		want string
	}{
		{"silence", func(w *world, r *pki.Responder, leaf *pki.Certificate) { w.fails("ocsp", 0) }, "revoked"},
		{"good from before", func(w *world, r *pki.Responder, leaf *pki.Certificate) {
			r.Set(at(pki.Single(leaf, pki.OCSPGood), time.Now().Add(-3*time.Hour)))
		}, "revoked"},
		{"good from later", func(w *world, r *pki.Responder, leaf *pki.Certificate) {
			r.Set(at(pki.Single(leaf, pki.OCSPGood), time.Now()))
		}, "passed"},
		{"a CRL from before", func(w *world, r *pki.Responder, leaf *pki.Certificate) {
			w.fails("ocsp", 0)
			w.list("crl", pki.CRL{Issuer: w.root, ThisUpdate: time.Now().Add(-3 * time.Hour)})
		}, "revoked"},
		{"a CRL from later", func(w *world, r *pki.Responder, leaf *pki.Certificate) {
			w.fails("ocsp", 0)
			w.list("crl", pki.CRL{Issuer: w.root, ThisUpdate: time.Now()})
		}, "passed"},
	} {
		for _, over := range []bool{true, false} {
			name := test.name
			if over {
				name += ", its time is over"
			}
			bubble(t, name, func(t *testing.T) {
				w := inBubble(t)
				w.settings.Mode = revocation.IgnoreCAError
				delegate := w.root.OCSPSigner("delegate", checked, ocsp("nowhere"))
				leaf := w.root.Client("leaf", ocsp("ocsp"), crl("crl"))
				r := w.responder("ocsp", w.root)
				s := pki.Single(leaf, pki.OCSPRevoked)
				s.ThisUpdate, s.NextUpdate, s.Reason = time.Now().Add(-time.Hour), time.Now().Add(time.Minute), 1
				r.Set(s)
				r.Change(func(response *pki.OCSPResponse) {
					response.Signer = delegate
					if !over {
						flaws[2].change(response)
					}
				})
				w.expect("at first", "revoked", leaf, w.root)
				r.Change(nil)
				test.then(w, r, leaf)
				time.Sleep(20 * time.Minute)
				for range 3 {
					w.check(path(leaf, w.root))
					time.Sleep(10 * time.Second)
				}
				w.expect("then", test.want, leaf, w.root)
			})
		}
	}
}

// On the disk a revocation in a response with a flaw counts as well.
func TestAFlawedRevocationOnTheDisk(t *testing.T) {
	for _, flaw := range flaws {
		for _, delegated := range []bool{false, true} {
			name := flaw.name
			if delegated {
				name += ", by a delegate"
			}
			t.Run(name, func(t *testing.T) {
				dir := t.TempDir()
				first := process(t, dir)
				root := first.root
				delegate := root.OCSPSigner("delegate", checked, ocsp("nowhere"))
				leaf, good := root.Client("leaf", ocsp("ocsp")), root.Client("good", ocsp("ocsp"))
				r := first.responder("ocsp", root)
				r.Revoke(leaf, 1)
				r.Good(good)
				r.Change(func(response *pki.OCSPResponse) {
					flaw.change(response)
					if delegated {
						response.Signer = delegate
					}
				})
				first.settings.Mode = revocation.IgnoreCAError
				first.expect("at first", "revoked", leaf, root)
				first.expect("good", "passed", good, root)
				second := process(t, dir) // with no network
				second.settings.Mode = revocation.IgnoreCAError
				second.expect("after a restart", "revoked", leaf, root)
				second.expect("good, after a restart", "passed", good, root)
			})
		}
	}
}

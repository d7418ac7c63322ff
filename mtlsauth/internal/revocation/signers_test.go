package revocation_test

import (
	"crypto/x509"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// crlKey has a certificate be of another key with the name of ca, that signs
// CRLs.
func crlKey(ca *pki.Certificate) pki.Option {
	return pki.With(func(c *x509.Certificate) {
		c.Subject, c.RawSubject = ca.Subject, ca.RawSubject
		c.KeyUsage = x509.KeyUsageCRLSign
	})
}

// TestCRLSigner: a CA signs its CRLs with another key, whose certificate is from
// the root, and whose status is asked like that of any other on the path.
func TestCRLSigner(t *testing.T) {
	type parties struct {
		*world
		inter, signer, leaf *pki.Certificate
		ofRoot              *pki.Responder
	}
	for _, test := range []struct {
		name           string
		signer         []pki.Option
		change         func(p *parties)
		strict, ignore string
	}{
		{"good", []pki.Option{ocsp("root")}, func(p *parties) { p.ofRoot.Good(p.signer) }, "passed", "passed"},
		{"good, and the leaf is revoked", []pki.Option{ocsp("root")}, func(p *parties) {
			p.ofRoot.Good(p.signer)
			p.list("crl", pki.CRL{Issuer: p.inter, Signer: p.signer, Entries: pki.Revoked(p.leaf)})
		}, "revoked", "revoked"},
		{"the signer is not known", []pki.Option{ocsp("root")}, func(p *parties) {
			p.ofRoot.Good(p.signer)
			p.trust.signers = nil
		}, "unknown", "passed"},
		{"it leads to another anchor", []pki.Option{ocsp("root")}, func(p *parties) {
			p.ofRoot.Good(p.signer)
			p.trust.signers = [][]*certificate.Certificate{path(p.signer, pki.NewCA("root"))}
		}, "unknown", "passed"},
		{"revoked", []pki.Option{ocsp("root")}, func(p *parties) { p.ofRoot.Revoke(p.signer, 1) }, "unknown", "passed"},
		{"revoked, and it says so of the leaf", []pki.Option{ocsp("root")}, func(p *parties) {
			p.ofRoot.Revoke(p.signer, 1)
			p.list("crl", pki.CRL{Issuer: p.inter, Signer: p.signer, Entries: pki.Revoked(p.leaf)})
		}, "unknown", "passed"},
		{"its responder is down", []pki.Option{ocsp("nowhere")}, func(p *parties) {}, "unknown", "passed"},
		{"it names no address", nil, func(p *parties) {}, "unknown", "passed"},
		{"it names no address, and is configured", nil, func(p *parties) { p.trust.configured = append(p.trust.configured, p.signer) }, "passed", "passed"},
		{"a limit of our own for its status", []pki.Option{ocsp("busy")}, func(p *parties) {
			p.responder("busy", p.root)
			p.fails("busy", busy)
		}, "unjudged", "unjudged"},
		{"its status is on a list of its own", []pki.Option{crl("own")}, func(p *parties) {
			p.list("own", pki.CRL{Issuer: p.root, Signer: p.signer})
		}, "unknown", "passed"},
	} {
		for name, mode := range both {
			want := test.strict
			if mode == revocation.IgnoreCAError {
				want = test.ignore
			}
			bubble(t, test.name+", "+name, func(t *testing.T) {
				w := inBubble(t)
				w.settings.Mode = mode
				p := &parties{world: w, inter: w.root.Intermediate("inter", pki.With(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }))}
				p.signer = w.root.Client("", append(test.signer, crlKey(p.inter))...)
				p.leaf = p.inter.Client("leaf", crl("crl"))
				p.ofRoot = w.responder("root", w.root)
				w.list("crl", pki.CRL{Issuer: p.inter, Signer: p.signer})
				w.trust = known{configured: []*pki.Certificate{p.inter}, signers: [][]*certificate.Certificate{path(p.signer, w.root)}}
				test.change(p)
				w.expect("first", want, p.leaf, p.inter, w.root)
				w.expect("again", want, p.leaf, p.inter, w.root)
			})
		}
	}
}

// Two signers vouch for each other, each by a list on which the other is not:
// that ends, and proves nothing.
func TestCRLSignersOfEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inBubble(t)
		noCRLs := pki.With(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign })
		one, two := w.root.Intermediate("one", noCRLs), w.root.Intermediate("two", noCRLs)
		signerOne := two.Client("", crlKey(one), crl("two"))
		signerTwo := one.Client("", crlKey(two), crl("one"))
		w.list("one", pki.CRL{Issuer: one, Signer: signerOne})
		w.list("two", pki.CRL{Issuer: two, Signer: signerTwo})
		w.trust = known{
			configured: []*pki.Certificate{one, two},
			signers:    [][]*certificate.Certificate{path(signerOne, two, w.root), path(signerTwo, one, w.root)},
		}
		w.expect("in a circle", "unknown", one.Client("leaf", crl("one")), one, w.root)
		if n := w.count(); n > 2 {
			t.Errorf("%d exchanges, want one for each list", n)
		}
	})
}

// TestDelegatedResponder: one with neither nocheck nor an address is good until
// its notAfter; one that names an address is asked about.
func TestDelegatedResponder(t *testing.T) {
	for _, test := range []struct {
		name           string
		options        []pki.Option
		tell           func(*pki.Responder, *pki.Certificate)
		strict, ignore string // of one that is good, it says
		believed       bool   // of one that is revoked, it says
	}{
		{"nocheck", nil, func(r *pki.Responder, d *pki.Certificate) {}, "passed", "passed", true},
		{"nocheck, and revoked where it is not asked", []pki.Option{ocsp("ca")}, func(r *pki.Responder, d *pki.Certificate) { r.Revoke(d, 1) }, "passed", "passed", true},
		{"no address", []pki.Option{checked}, func(r *pki.Responder, d *pki.Certificate) {}, "passed", "passed", true},
		{"good", []pki.Option{checked, ocsp("ca")}, func(r *pki.Responder, d *pki.Certificate) { r.Good(d) }, "passed", "passed", true},
		{"revoked", []pki.Option{checked, ocsp("ca")}, func(r *pki.Responder, d *pki.Certificate) { r.Revoke(d, 1) }, "unknown", "passed", false},
		{"not known", []pki.Option{checked, ocsp("ca")}, func(r *pki.Responder, d *pki.Certificate) {}, "unknown", "passed", false},
		{"its responder is down", []pki.Option{checked, ocsp("nowhere")}, func(r *pki.Responder, d *pki.Certificate) {}, "unknown", "passed", true},
		{"a limit of our own for its status", []pki.Option{checked, ocsp("busy")}, func(r *pki.Responder, d *pki.Certificate) {}, "unjudged", "unjudged", false},
		{"it speaks for itself", []pki.Option{checked, ocsp("ocsp")}, func(r *pki.Responder, d *pki.Certificate) {}, "unknown", "passed", true},
		{"it is on a CRL", []pki.Option{checked, crl("crl")}, func(r *pki.Responder, d *pki.Certificate) {}, "unknown", "passed", false},
	} {
		for name, mode := range both {
			want := test.strict
			if mode == revocation.IgnoreCAError {
				want = test.ignore
			}
			bubble(t, test.name+", "+name, func(t *testing.T) {
				w := inBubble(t)
				w.settings.Mode = mode
				delegate := w.root.OCSPSigner("delegate", test.options...)
				leaf, bad := w.root.Client("leaf", ocsp("ocsp")), w.root.Client("bad", ocsp("ocsp"))
				r := w.responder("ocsp", w.root)
				r.Good(leaf, delegate)
				r.Revoke(bad, 1)
				r.Change(func(response *pki.OCSPResponse) { response.Signer = delegate })
				test.tell(w.responder("ca", w.root), delegate)
				w.list("crl", pki.CRL{Issuer: w.root, Entries: pki.Revoked(delegate)})
				w.responder("busy", w.root)
				w.fails("busy", busy)
				for range 2 {
					w.expect("good, it says", want, leaf, w.root)
				}
				// A signer that is not believed revokes no certificate either, now or later.
				said := want
				if test.believed {
					said = "revoked"
				}
				for range 2 {
					w.expect("revoked, it says", said, bad, w.root)
				}
				time.Sleep(5 * time.Minute)
				w.expect("revoked, it says, later", said, bad, w.root)
			})
		}
	}
}

// What a signer of unknown status says against a certificate is not overruled by
// what others say for it, in any mode: STRICT lets no client in whom IGNORE_CA_ERROR
// refuses.
func TestADoubtfulSignerRevokes(t *testing.T) {
	for name, mode := range both {
		bubble(t, "OCSP, "+name, func(t *testing.T) {
			w := inBubble(t)
			w.settings.Mode = mode
			delegate := w.root.OCSPSigner("delegate", checked, ocsp("nowhere"))
			leaf := w.root.Client("leaf", ocsp("ocsp"), crl("crl"))
			r := w.responder("ocsp", w.root)
			r.Revoke(leaf, 1)
			r.Change(func(response *pki.OCSPResponse) { response.Signer = delegate })
			w.list("crl", pki.CRL{Issuer: w.root})
			w.expect("not on the CRL", "revoked", leaf, w.root)
		})
		t.Run("CRL, "+name, func(t *testing.T) {
			root := pki.NewCA("root")
			signer := root.Client("", crlKey(root), ocsp("nowhere"))
			leaf := root.Client("leaf", ocsp("ocsp"))
			w, _ := withFolder(t, pki.CRL{Issuer: root, Signer: signer, Entries: pki.Revoked(leaf)})
			w.settings.Mode = mode
			w.trust = known{signers: [][]*certificate.Certificate{path(signer, root)}}
			w.responder("ocsp", root).Good(leaf)
			w.expect("good, says the responder", "revoked", leaf, root)
		})
	}
}

// A result rests on the status of who signed an answer, and ends with it.
func TestResultRestsOnSigners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inBubble(t)
		delegate := w.root.OCSPSigner("delegate", checked, ocsp("ca"))
		leaf := w.root.Client("leaf", ocsp("ocsp"))
		ca := w.responder("ca", w.root)
		ca.Good(delegate)
		r := w.responder("ocsp", w.root)
		r.Set(pki.OCSPSingle{Serial: leaf.SerialNumber, NextUpdate: time.Now().Add(24 * time.Hour)})
		r.Change(func(response *pki.OCSPResponse) { response.Signer = delegate })
		w.settings.CertCacheTTL = 12 * time.Hour
		short := pki.Single(delegate, pki.OCSPGood)
		short.NextUpdate = time.Now().Add(10 * time.Minute)
		ca.Set(short)
		first := w.expect("first", "passed", leaf, w.root)
		stands := w.stands()
		if got := time.Until(first.Until); got > 10*time.Minute {
			t.Errorf("to check again in %v, which the signer's status does not last for", got)
		}
		ca.Revoke(delegate, 1)
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		if stands() {
			t.Error("a result stands though its signer was revoked")
		}
		w.expect("when the signer is revoked", "unknown", leaf, w.root)
	})
}

// checked takes nocheck out of what OCSPSigner makes.
var checked = pki.With(func(c *x509.Certificate) { c.ExtraExtensions = nil })

// With a delegate of unknown status a request may pass where no
// more is asked for, but it takes no revocation back.
func TestADoubtfulDelegateTakesNothingBack(t *testing.T) {
	bubble(t, "ignore", func(t *testing.T) {
		w := inBubble(t)
		w.settings.Mode = revocation.IgnoreCAError
		delegate := w.root.OCSPSigner("delegate", checked, ocsp("nowhere"))
		leaf := w.root.Client("leaf", ocsp("ocsp"))
		r := w.responder("ocsp", w.root)
		r.Revoke(leaf, 1)
		w.expect("by the CA itself", "revoked", leaf, w.root)
		r.Good(leaf)
		r.Change(func(response *pki.OCSPResponse) { response.Signer = delegate })
		time.Sleep(5 * time.Minute)
		w.expect("good, says the delegate", "revoked", leaf, w.root)
		r.Change(nil)
		time.Sleep(5 * time.Minute)
		w.expect("good, says the CA itself", "passed", leaf, w.root)
	})
}

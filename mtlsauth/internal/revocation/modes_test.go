package revocation_test

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// TestModes is the contract's table: what came of asking, and what that means in
// either mode.
func TestModes(t *testing.T) {
	leaf := func(w *world, options ...pki.Option) []*pki.Certificate {
		return []*pki.Certificate{w.root.Client("client", options...), w.root}
	}
	// byOCSP asks a responder that was told of the certificate to say so.
	byOCSP := func(tell func(*world, *pki.Responder, *pki.Certificate)) func(*world) []*pki.Certificate {
		return func(w *world) []*pki.Certificate {
			path := leaf(w, ocsp("ocsp"))
			tell(w, w.responder("ocsp", w.root), path[0])
			return path
		}
	}
	changed := func(change func(*world, *pki.OCSPResponse)) func(*world) []*pki.Certificate {
		return byOCSP(func(w *world, r *pki.Responder, c *pki.Certificate) {
			r.Good(c)
			r.Change(func(response *pki.OCSPResponse) { change(w, response) })
		})
	}
	troubled := func(trouble pki.Trouble) func(*world) []*pki.Certificate {
		return byOCSP(func(w *world, r *pki.Responder, c *pki.Certificate) {
			r.Good(c)
			r.Trouble(trouble)
		})
	}
	byCRL := func(change func(*world, *pki.CRL, *pki.Certificate)) func(*world) []*pki.Certificate {
		return func(w *world) []*pki.Certificate {
			path := leaf(w, crl("crl"))
			list := pki.CRL{Issuer: w.root}
			change(w, &list, path[0])
			w.list("crl", list)
			return path
		}
	}
	statusUnknown := func(with ...pki.Option) func(*world) []*pki.Certificate {
		return func(w *world) []*pki.Certificate {
			path := leaf(w, append(with, ocsp("ocsp"))...)
			w.responder("ocsp", w.root)
			return path
		}
	}
	badPoints := pki.Extension(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 31}, Value: []byte("\x30\x02\x30\x00")})
	long := time.Hour

	for _, test := range []struct {
		name           string
		path           func(*world) []*pki.Certificate
		strict, ignore string
	}{
		{"good by OCSP", byOCSP(func(w *world, r *pki.Responder, c *pki.Certificate) { r.Good(c) }), "passed", "passed"},
		{"revoked by OCSP", byOCSP(func(w *world, r *pki.Responder, c *pki.Certificate) { r.Revoke(c, 1) }), "revoked", "revoked"},
		{"on hold by OCSP", byOCSP(func(w *world, r *pki.Responder, c *pki.Certificate) { r.Revoke(c, 6) }), "revoked", "revoked"},
		{"good by CRL", byCRL(func(w *world, l *pki.CRL, c *pki.Certificate) {}), "passed", "passed"},
		{"revoked by CRL", byCRL(func(w *world, l *pki.CRL, c *pki.Certificate) { l.Entries = pki.Revoked(c) }), "revoked", "revoked"},

		{"the responder does not know it", statusUnknown(), "unknown", "unknown"},
		{"the responder does not know it, the CRL is not there", statusUnknown(crl("crl")), "unknown", "unknown"},
		{"the responder does not know it, the CRL is good", func(w *world) []*pki.Certificate {
			w.list("crl", pki.CRL{Issuer: w.root})
			return statusUnknown(crl("crl"))(w)
		}, "passed", "passed"},
		{"the responder does not know it, the CRL has it", func(w *world) []*pki.Certificate {
			path := statusUnknown(crl("crl"))(w)
			w.list("crl", pki.CRL{Issuer: w.root, Entries: pki.Revoked(path[0])})
			return path
		}, "revoked", "revoked"},

		{"unreachable", func(w *world) []*pki.Certificate { return leaf(w, ocsp("nowhere"), crl("nowhere")) }, "unknown", "passed"},
		{"not connected to", func(w *world) []*pki.Certificate {
			path := leaf(w, ocsp("ocsp"))
			w.responder("ocsp", w.root).Good(path[0])
			w.fails("ocsp", int(fetch.Refused))
			return path
		}, "unknown", "passed"},
		{"no answer in time", troubled(pki.Trouble{Hang: true}), "unknown", "passed"},
		{"status 500", troubled(pki.Trouble{Status: 500}), "unknown", "passed"},
		{"rubbish", troubled(pki.Trouble{Status: 200, Body: []byte("good")}), "unknown", "passed"},
		{"too large", troubled(pki.Trouble{Status: 200, Body: make([]byte, 65<<10)}), "unknown", "passed"},
		{"tryLater", changed(func(w *world, r *pki.OCSPResponse) { r.ResponseStatus = 3 }), "unknown", "passed"},
		{"stale", changed(func(w *world, r *pki.OCSPResponse) {
			r.Singles[0].ThisUpdate, r.Singles[0].NextUpdate = time.Now().Add(-2*long), time.Now().Add(-long)
		}), "unknown", "passed"},
		{"from the future", changed(func(w *world, r *pki.OCSPResponse) {
			r.Singles[0].ThisUpdate, r.Singles[0].NextUpdate = time.Now().Add(long), time.Now().Add(2*long)
		}), "unknown", "passed"},
		{"signed by another CA", changed(func(w *world, r *pki.OCSPResponse) { r.Signer = pki.NewCA("root") }), "unknown", "passed"},
		{"signed by another client", changed(func(w *world, r *pki.OCSPResponse) { r.Signer = w.root.Client("another") }), "unknown", "passed"},
		{"good, of another certificate", changed(func(w *world, r *pki.OCSPResponse) {
			r.Singles[0] = pki.Single(w.root.Client("another"), pki.OCSPGood)
		}), "unknown", "passed"},
		{"good, of another issuer's certificate", changed(func(w *world, r *pki.OCSPResponse) { r.Singles[0].KeyOf = pki.NewCA("root") }), "unknown", "passed"},
		{"a CRL of another CA", byCRL(func(w *world, l *pki.CRL, c *pki.Certificate) { l.Issuer = pki.NewCA("another") }), "unknown", "passed"},
		{"a CRL signed by another CA", byCRL(func(w *world, l *pki.CRL, c *pki.Certificate) { l.Signer = pki.NewCA("root") }), "unknown", "passed"},
		{"a stale CRL", byCRL(func(w *world, l *pki.CRL, c *pki.Certificate) { l.NextUpdate = time.Now().Add(-time.Minute) }), "unknown", "passed"},
		{"a stale CRL that has it", byCRL(func(w *world, l *pki.CRL, c *pki.Certificate) {
			l.NextUpdate, l.Entries = time.Now().Add(-time.Minute), pki.Revoked(c)
		}), "revoked", "revoked"},
		{"a CRL for CA certificates", byCRL(func(w *world, l *pki.CRL, c *pki.Certificate) { l.IDP = &pki.IDP{OnlyCACerts: true} }), "unknown", "passed"},
		{"a CRL for some reasons", byCRL(func(w *world, l *pki.CRL, c *pki.Certificate) { l.IDP = &pki.IDP{Reasons: []int{1, 2}} }), "unknown", "passed"},
		{"a CRL that is too large", byCRL(func(w *world, l *pki.CRL, c *pki.Certificate) { l.RawEntries = pki.Serials(50_000, 20) }), "unknown", "passed"},

		{"no address", func(w *world) []*pki.Certificate { return leaf(w) }, "unknown", "passed"},
		{"the leaf is configured and has no address", func(w *world) []*pki.Certificate {
			path := leaf(w)
			w.trust.configured = path
			return path
		}, "unknown", "passed"},
		{"no address of ours", func(w *world) []*pki.Certificate { return leaf(w, pki.OCSPServer("ldap://host/")) }, "unknown", "passed"},
		{"a distribution point of LDAP", func(w *world) []*pki.Certificate {
			return leaf(w, pki.DistributionPoints(pki.DistributionPoint{URIs: []string{"ldap://host/"}}))
		}, "unknown", "passed"},
		{"distribution points that cannot be read", func(w *world) []*pki.Certificate { return leaf(w, badPoints) }, "unknown", "passed"},
		{"distribution points that cannot be read, good by OCSP", func(w *world) []*pki.Certificate {
			path := leaf(w, badPoints, ocsp("ocsp"))
			w.responder("ocsp", w.root).Good(path[0])
			return path
		}, "passed", "passed"},
		{"a CA certificate with distribution points that cannot be read", func(w *world) []*pki.Certificate {
			inter := w.root.Intermediate("inter", badPoints)
			w.trust.configured = []*pki.Certificate{inter}
			leaf := inter.Client("client", ocsp("ocsp"))
			w.responder("ocsp", inter).Good(leaf)
			return []*pki.Certificate{leaf, inter, w.root}
		}, "unknown", "passed"},

		{"the intermediate is revoked", func(w *world) []*pki.Certificate {
			path := belowInter(w, ocsp("inter"))
			w.responder("inter", w.root).Revoke(path[1], 2)
			return path
		}, "revoked", "revoked"},
		{"the intermediate is not known", func(w *world) []*pki.Certificate {
			path := belowInter(w, ocsp("inter"))
			w.responder("inter", w.root)
			return path
		}, "unknown", "unknown"},
		{"the intermediate has no address", func(w *world) []*pki.Certificate { return belowInter(w) }, "unknown", "passed"},
		{"the intermediate has no address, and is configured", func(w *world) []*pki.Certificate {
			path := belowInter(w)
			w.trust.configured = path[1:]
			return path
		}, "passed", "passed"},
		{"the intermediate is configured, and its address down", func(w *world) []*pki.Certificate {
			path := belowInter(w, ocsp("nowhere"))
			w.trust.configured = path[1:]
			return path
		}, "unknown", "passed"},
		{"the intermediate is configured, and revoked", func(w *world) []*pki.Certificate {
			path := belowInter(w, ocsp("inter"))
			w.trust.configured = path[1:]
			w.responder("inter", w.root).Revoke(path[1], 2)
			return path
		}, "revoked", "revoked"},
		{"the leaf is the trust anchor", func(w *world) []*pki.Certificate { return []*pki.Certificate{w.root} }, "passed", "passed"},

		{"a limit of our own", func(w *world) []*pki.Certificate {
			w.fails("ocsp", busy)
			path := leaf(w, ocsp("ocsp"))
			w.responder("ocsp", w.root).Good(path[0])
			return path
		}, "unjudged", "unjudged"},
		{"a limit of our own for the intermediate", func(w *world) []*pki.Certificate {
			path := belowInter(w, ocsp("inter"))
			w.responder("inter", w.root).Good(path[1])
			w.fails("inter", busy)
			return path
		}, "unjudged", "unjudged"},
		{"a limit of our own, and a CRL is good", func(w *world) []*pki.Certificate {
			w.fails("ocsp", busy)
			w.responder("ocsp", w.root)
			w.list("crl", pki.CRL{Issuer: w.root})
			return leaf(w, ocsp("ocsp"), crl("crl"))
		}, "passed", "passed"},
		{"a limit of our own, and the responder does not know it", func(w *world) []*pki.Certificate {
			w.fails("ocsp", busy)
			w.responder("ocsp", w.root)
			w.responder("other", w.root)
			return leaf(w, ocsp("ocsp"), ocsp("other"))
		}, "unjudged", "unjudged"},
	} {
		for name, mode := range both {
			want := test.strict
			if mode == revocation.IgnoreCAError {
				want = test.ignore
			}
			bubble(t, test.name+", "+name, func(t *testing.T) {
				w := inBubble(t)
				w.settings.Mode = mode
				certs := test.path(w)
				r := w.expect("first", want, certs...)
				if noted := len(r.Notes) > 0; noted != (want == "passed" && test.strict == "unknown" && !silent[test.name]) {
					t.Errorf("noted is %v: %q", noted, r.Notes)
				}
				// What was found out does not change by being kept.
				w.expect("again", want, certs...)
				time.Sleep(3 * time.Second)
				w.expect("later", want, certs...)
			})
		}
	}
}

// silent are the cases in which there was no URL to ask, so that a pass in spite
// of it is none to note.
var silent = map[string]bool{"no address": true, "the leaf is configured and has no address": true, "the intermediate has no address": true}

// belowInter is a path with an intermediate, whose leaf is good.
func belowInter(w *world, options ...pki.Option) []*pki.Certificate {
	inter := w.root.Intermediate("inter", options...)
	leaf := inter.Client("client", ocsp("leaf"))
	w.responder("leaf", inter).Good(leaf)
	return []*pki.Certificate{leaf, inter, w.root}
}

// The zero values refuse.
func TestNothingToCheck(t *testing.T) {
	w := newWorld(t)
	w.settings.Mode = revocation.IgnoreCAError
	w.expectAll("no path", "unjudged")
	w.expectAll("a path of nothing", "unjudged", []*certificate.Certificate{})
	var r revocation.Result
	var s revocation.Settings
	if r.Verdict == revocation.Passed || s.Mode != revocation.Strict {
		t.Error("a zero value lets in")
	}
}

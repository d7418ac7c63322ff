package e2e

import (
	"net/http"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// story is a certificate whose status changes: what is answered about it first,
// what then, and what becomes of it when the first answer's time is over.
type story struct {
	name        string
	cert        *pki.Certificate
	first       string
	then        func()
	after       string // in STRICT and
	afterIgnore string // in the other mode
}

// expectStories tells them side by side: the first answers of all end at once, later
// where a machine is too slow for that.
func (r *rig) expectStories(told func(ends time.Time) []story) {
	r.t.Helper()
	var stories []story
	ends := r.before(8*time.Second, func(r *rig, ends time.Time) {
		stories = told(ends)
		for _, s := range stories {
			r.expectStatus(s.name+", first", "/ignore", s.cert, s.first)
			s.then()
		}
	})
	time.Sleep(time.Until(ends) + 100*time.Millisecond)
	for _, s := range stories {
		for path, want := range map[string]string{"/ignore": s.afterIgnore, "/strict": s.after} {
			status := 200
			if want == isRevoked || want == isUnknown {
				status = 401
			}
			// What failed before is tried again five seconds later at the most.
			r.statusBecomes(s.name+" on "+path, path, s.cert, status, soon())
			r.expectStatus(s.name+", then", path, s.cert, want)
		}
	}
}

// A certificate that was seen revoked stays so, whatever falls silent, until a later response says
// otherwise; who was on hold until nextUpdate. An earlier answer changes nothing.
func TestRevokedByOCSPStaysRevoked(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	r := newStatusRig(t, cas{idA: root}, bothModes(object{"cert_cache_ttl": 1000}))
	made := inSeconds(-100)
	answer := func(cert *pki.Certificate, status pki.CertStatus, reason, age int) pki.OCSPSingle {
		s := pki.Single(cert, status)
		s.Reason, s.ThisUpdate, s.NextUpdate = reason, made.Add(-time.Duration(age)*time.Second), inSeconds(3600)
		return s
	}
	r.expectStories(func(ends time.Time) (stories []story) {
		add := func(name string, status pki.CertStatus, reason int, first, after, afterIgnore string, then func(*pki.Responder, *pki.Certificate)) {
			responder := newResponder(t, root)
			cert := root.Client(name, pki.OCSPServer(responder.URL()))
			s := answer(cert, status, reason, 0)
			s.NextUpdate = ends
			responder.Set(s)
			stories = append(stories, story{name, cert, first, func() { then(responder, cert) }, after, afterIgnore})
		}
		silence := func(r *pki.Responder, _ *pki.Certificate) { r.Trouble(pki.Trouble{Status: 503}) }
		says := func(status pki.CertStatus, reason, age int) func(*pki.Responder, *pki.Certificate) {
			return func(r *pki.Responder, c *pki.Certificate) { r.Set(answer(c, status, reason, age)) }
		}
		const keyCompromise, hold = 1, 6
		revoked, good := pki.OCSPRevoked, pki.OCSPGood
		add("revoked, then silence", revoked, keyCompromise, isRevoked, isRevoked, isRevoked, silence)
		add("revoked for no reason, then silence", revoked, 0, isRevoked, isRevoked, isRevoked, silence)
		add("revoked, then good from before", revoked, keyCompromise, isRevoked, isRevoked, isRevoked, says(good, 0, 10))
		add("revoked, then good of the same instant", revoked, keyCompromise, isRevoked, isRevoked, isRevoked, says(good, 0, 0))
		add("revoked, then good from later", revoked, keyCompromise, isRevoked, passes, passes, says(good, 0, -10))
		add("revoked, then unknown from later", revoked, keyCompromise, isRevoked, isRevoked, isRevoked, says(pki.OCSPUnknown, 0, -10))
		add("on hold, then silence", revoked, hold, isRevoked, isUnknown, passesNoted, silence)
		add("on hold, then good from later", revoked, hold, isRevoked, passes, passes, says(good, 0, -10))
		add("on hold, then revoked", revoked, hold, isRevoked, isRevoked, isRevoked, says(revoked, keyCompromise, -10))
		add("good, then silence", good, 0, passes, isUnknown, passesNoted, silence)
		add("good, then revoked from before", good, 0, passes, isUnknown, passesNoted, says(revoked, keyCompromise, 10))
		add("good, then revoked from later", good, 0, passes, isRevoked, isRevoked, says(revoked, keyCompromise, -10))
		return stories
	})
}

// The same of CRLs.
func TestRevokedByCRLStaysRevoked(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	r := newStatusRig(t, cas{idA: root}, bothModes())
	made := inSeconds(-100)
	r.expectStories(func(ends time.Time) (stories []story) {
		add := func(name string, reason int, listed bool, first, after, afterIgnore string, then func(*pki.CRLHost, pki.CRL, *pki.Certificate)) {
			list := pki.CRL{Issuer: root, ThisUpdate: made, NextUpdate: ends, Number: 10}
			host := newCRLHost(t, list)
			cert := root.Client(name, pki.CRLDistributionPoint(host.URL()))
			if listed {
				list.Entries = []pki.CRLEntry{{Serial: cert.SerialNumber, Reason: reason}}
				host.Set(list.DER())
			}
			list.NextUpdate = inSeconds(3600)
			stories = append(stories, story{name, cert, first, func() { then(host, list, cert) }, after, afterIgnore})
		}
		silence := func(h *pki.CRLHost, _ pki.CRL, _ *pki.Certificate) {
			h.Trouble(pki.Trouble{Status: 503})
		}
		// next serves a list of another age, on which the certificate is or is not.
		next := func(age int, on bool, reason int) func(*pki.CRLHost, pki.CRL, *pki.Certificate) {
			return func(h *pki.CRLHost, list pki.CRL, cert *pki.Certificate) {
				list.ThisUpdate, list.Number, list.Entries = made.Add(-time.Duration(age)*time.Second), int64(10-age), nil
				if on {
					list.Entries = []pki.CRLEntry{{Serial: cert.SerialNumber, Reason: reason}}
				}
				h.Set(list.DER())
			}
		}
		const keyCompromise, hold, removed = 1, 6, false
		add("listed, then silence", keyCompromise, true, isRevoked, isRevoked, isRevoked, silence)
		add("listed, then a list from before", keyCompromise, true, isRevoked, isRevoked, isRevoked, next(5, removed, 0))
		add("listed, then a later list without it", keyCompromise, true, isRevoked, passes, passes, next(-5, removed, 0))
		add("on hold, then silence", hold, true, isRevoked, isUnknown, passesNoted, silence)
		add("on hold, then a later list without it", hold, true, isRevoked, passes, passes, next(-5, removed, 0))
		add("EE 27 not listed, then silence", 0, false, passes, isUnknown, passesNoted, silence)
		add("not listed, then a list from before with it", 0, false, passes, isUnknown, passesNoted, next(5, true, keyCompromise))
		add("EE 27 not listed, then a later list without it", 0, false, passes, passes, passes, next(-5, false, 0))
		add("not listed, then a later list with it", 0, false, passes, isRevoked, isRevoked, next(-5, true, keyCompromise))
		return stories
	})
}

// A revocation counts for every certificate of the issuer's name and key: who
// comes by another path to it is refused though no responder answers any more.
func TestRevokedUnderACrossCertificate(t *testing.T) {
	t.Parallel()
	one, two := pki.NewCA("one"), pki.NewCA("two")
	inter := one.Intermediate("inter")
	cross := two.Intermediate("inter", pki.Key(inter.Key))
	responder, host := newResponder(t, inter), newCRLHost(t, pki.CRL{Issuer: inter})
	ocsp, crl := pki.OCSPServer(responder.URL()), pki.CRLDistributionPoint(host.URL())
	bad, listed, held := inter.Client("bad", ocsp), inter.Client("listed", crl), inter.Client("held", ocsp)
	responder.Revoke(bad, 1)
	responder.Revoke(held, 6)
	host.Set(pki.CRL{Issuer: inter, Entries: pki.Revoked(listed)}.DER())
	by := func(id string, issuer string) object {
		return checked("IGNORE_CA_ERROR", object{"ca_certificates": []string{id, issuer}})
	}
	const idCross = "dddddddd-0000-4000-8000-000000000004"
	r := newStatusRig(t, cas{idA: one, idB: two, idC: inter, idCross: cross}, routes{"/one": by(idA, idC), "/two": by(idB, idCross)})
	for _, c := range []*pki.Certificate{bad, listed, held} {
		r.expectStatus(c.Subject.CommonName, "/one", onlyLeaf(c), isRevoked)
	}
	responder.Trouble(pki.Trouble{Status: http.StatusServiceUnavailable})
	host.Trouble(pki.Trouble{Status: http.StatusServiceUnavailable})
	for _, c := range []*pki.Certificate{bad, listed, held} {
		r.expectStatus(c.Subject.CommonName+", by the cross-certificate", "/two", onlyLeaf(c), isRevoked, "it has been revoked")
	}
}

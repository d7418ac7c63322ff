package e2e

import (
	"strings"
	"sync"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// A33, A35, A36, EE 7, EE 14, EE 15: what is visited, how often and in which
// order.
func TestWhatIsVisited(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, pki.NewCA("root"))
	inter := newAuthority(t, root.Intermediate("inter", root.byOCSP()))
	root.responder.Good(inter.Certificate)
	skip := object{"revocation_check_mode": "SKIP"}
	plugins := bothModes(object{"ca_certificates": []string{idA, idB}})
	plugins["/skip"], plugins["/root"] = trusted([]string{idA, idB}, skip), checked("STRICT")
	r := newStatusRig(t, cas{idA: root.Certificate, idB: inter.Certificate}, plugins)

	bad := root.Client("bad", root.byOCSP(), root.byCRL())
	root.responder.Revoke(bad, 1)
	r.expectStatus("A33 revoked, unchecked", "/skip", bad, passes)
	if n := root.asked(); n != 0 {
		t.Errorf("A33 %d requests were made for SKIP, want none", n)
	}
	r.expectStatus("A34 revoked", "/strict", bad, isRevoked)
	r.expectStatus("A34 revoked", "/ignore", bad, isRevoked)
	if n := root.responder.Count(bad); n != 1 {
		t.Errorf("EE 7 both modes asked %d times about one certificate, want once together", n)
	}
	r.expectStatus("EE 14 revoked, unchecked after a check", "/skip", bad, passes)

	good := root.Client("good", root.byOCSP(), root.byCRL())
	root.responder.Good(good)
	r.expectStatus("A35 good by OCSP", "/strict", good, passes)
	if n := len(root.host.Requests()); n != 0 {
		t.Errorf("A35 the CRL was fetched %d times though OCSP answered", n)
	}

	dead := newClosedPort(t).address
	listed, unlisted := root.Client("listed", pki.OCSPServer(dead), root.byCRL()), root.Client("unlisted", pki.OCSPServer(dead), root.byCRL())
	root.host.Set(pki.CRL{Issuer: root.Certificate, Entries: pki.Revoked(listed)}.DER())
	for _, path := range []string{"/strict", "/ignore"} {
		r.expectStatus("A36 dead responder, on the CRL", path, listed, isRevoked)
		r.expectStatus("A36 dead responder, not on the CRL", path, unlisted, passes)
	}
	if n := len(root.host.Requests()); n != 1 {
		t.Errorf("the CRL was fetched %d times for two certificates and two modes, want once", n)
	}
	r.expectStatus("EE 14 on a CRL, unchecked", "/skip", listed, passes)

	// The issuer comes from where the path does: here from ca_certificates.
	leaf := inter.Client("leaf", inter.byOCSP())
	inter.responder.Good(leaf)
	r.expectStatus("EE 15 only the leaf is sent", "/strict", onlyLeaf(leaf), passes)
	if inter.responder.Count(leaf) != 1 || root.responder.Count(inter.Certificate) != 1 {
		t.Errorf("EE 15 asked %d times about the leaf and %d times about its issuer, want once each",
			inter.responder.Count(leaf), root.responder.Count(inter.Certificate))
	}

	// Nothing is visited for who is not trusted.
	before := inter.asked() + root.asked()
	stranger := newAuthority(t, pki.NewCA("root"))
	for _, cert := range []*pki.Certificate{
		stranger.Client("stranger", root.byOCSP(), root.byCRL()), root.Client("expired", root.byOCSP(), pki.Expired()),
		onlyLeaf(inter.Client("leaf", inter.byOCSP())),
	} {
		if got := r.status("/root", cert); got != 401 {
			t.Errorf("%s: got %d, want 401", cert.Subject, got)
		}
	}
	if n := inter.asked() + root.asked() - before; n != 0 {
		t.Errorf("%d addresses of certificates that no path leads to were visited", n)
	}
}

// What is known is known by issuer certificate, address and serial number: it is
// not shared by certificates that differ in one of them, and is by those that
// do not.
func TestWhatAnswersAreKeptBy(t *testing.T) {
	t.Parallel()
	ofTime(t)
	root := newAuthority(t, pki.NewCA("root"))
	r := newStatusRig(t, cas{idA: root.Certificate}, bothModes())
	one := root.Client("one", root.byOCSP(), pki.Serial(7))
	renewed := root.Client("one, made again", root.byOCSP(), pki.Serial(7))
	elsewhere := root.Client("one at another address", pki.OCSPServer(strings.Replace(root.responder.URL(), "127.0.0.1", "localhost", 1)), pki.Serial(7))
	spelled := root.Client("one at the same address in another spelling", pki.OCSPServer(root.responder.URL()+"/"), pki.Serial(7))
	another := root.Client("another", root.byOCSP(), pki.Serial(8))
	root.responder.Good(one, another)
	for _, test := range []struct {
		cert       *pki.Certificate
		one, other int // questions so far
	}{{one, 1, 0}, {renewed, 1, 0}, {spelled, 1, 0}, {elsewhere, 2, 0}, {another, 2, 1}, {one, 2, 1}} {
		r.expectStatus(test.cert.Subject.CommonName, "/strict", test.cert, passes)
		if root.responder.Count(one) != test.one || root.responder.Count(another) != test.other {
			t.Errorf("%s: %d and %d questions so far, want %d and %d", test.cert.Subject,
				root.responder.Count(one), root.responder.Count(another), test.one, test.other)
		}
	}
}

// Two CAs of one name whose certificates have the same serial numbers, one of
// which names the other's addresses: neither harms nor helps the other.
func TestTwoCAsOfOneName(t *testing.T) {
	t.Parallel()
	// In both orders: who asks first must not matter.
	for name, twinFirst := range map[string]bool{"twin first": true, "twin last": false} {
		t.Run(name, func(t *testing.T) {
			ca, twin := newAuthority(t, pki.NewCA("twin")), newAuthority(t, pki.NewCA("twin"))
			both := object{"ca_certificates": []string{idA, idB}}
			r := newStatusRig(t, cas{idA: ca.Certificate, idB: twin.Certificate}, bothModes(both))
			serial := pki.Serial
			good, bad := ca.Client("good", ca.byOCSP(), serial(1)), ca.Client("bad", ca.byOCSP(), serial(2))
			listed, unlisted := ca.Client("listed", ca.byCRL(), serial(3)), ca.Client("unlisted", ca.byCRL(), serial(4))
			ca.responder.Good(good)
			ca.responder.Revoke(bad, 1)
			ca.host.Set(pki.CRL{Issuer: ca.Certificate, Entries: pki.Revoked(listed)}.DER())
			of := func() {
				r.expectStatus("good", "/strict", good, passes)
				r.expectStatus("revoked", "/ignore", bad, isRevoked)
				r.expectStatus("on the CRL", "/ignore", listed, isRevoked)
				r.expectStatus("not on the CRL", "/strict", unlisted, passes)
			}
			// The same numbers by the twin, which names its own addresses with
			// the opposite answers, or those of the first.
			twinBad, twinGood := twin.Client("bad", twin.byOCSP(), serial(1)), twin.Client("good", twin.byOCSP(), serial(2))
			twin.responder.Revoke(twinBad, 1)
			twin.responder.Good(twinGood)
			twinListed, twinUnlisted := twin.Client("listed", twin.byCRL(), serial(4)), twin.Client("unlisted", twin.byCRL(), serial(3))
			twin.host.Set(pki.CRL{Issuer: twin.Certificate, Entries: pki.Revoked(twinListed)}.DER())
			ofTwin := func() {
				for n := range int64(4) {
					r.expectStatus("twin's, at the other's responder", "/ignore", twin.Client("astray", ca.byOCSP(), serial(n+1)), passesNoted)
					r.expectStatus("twin's, at the other's CRL", "/ignore", twin.Client("astray", ca.byCRL(), serial(n+1)), passesNoted)
					r.expectStatus("twin's, at the other's CRL", "/strict", twin.Client("astray", ca.byCRL(), serial(n+1)), isUnknown)
				}
				r.expectStatus("twin's revoked", "/ignore", twinBad, isRevoked)
				r.expectStatus("twin's good", "/strict", twinGood, passes)
				r.expectStatus("on the twin's CRL", "/ignore", twinListed, isRevoked)
				r.expectStatus("not on the twin's CRL", "/strict", twinUnlisted, passes)
			}
			if twinFirst {
				ofTwin()
				of()
			} else {
				of()
				ofTwin()
			}
			of()
		})
	}
}

// Requests at once that need the same answer share one exchange, whatever they
// are on: routes, modes and leaves below one intermediate.
func TestRequestsShareAnExchange(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, pki.NewCA("root"))
	inter := newAuthority(t, root.Intermediate("inter", root.byOCSP(), root.byCRL()))
	root.responder.Good(inter.Certificate)
	hold, arrived := make(chan struct{}), make(chan struct{}, 10)
	root.responder.Change(func(*pki.OCSPResponse) {
		arrived <- struct{}{}
		<-hold
	})
	r := newStatusRig(t, cas{idA: root.Certificate}, bothModes())
	var wg sync.WaitGroup
	for _, path := range []string{"/strict", "/ignore", "/strict", "/ignore"} {
		leaf := inter.Client("leaf", inter.byOCSP())
		inter.responder.Good(leaf)
		c := r.client(leaf)
		wg.Go(func() {
			if got, err := fetch(c, r.URLTLS()+path); err != nil || got.status != 200 {
				t.Errorf("%s: got %d, %v", path, got.status, err)
			}
		})
	}
	<-arrived
	// All leaves have been asked about, so all wait for the intermediate.
	eventually(t, "all requests ask", func() bool { return len(inter.responder.Requests()) == 4 })
	close(hold)
	wg.Wait()
	if n := root.responder.Count(inter.Certificate); n != 1 {
		t.Errorf("%d questions about the intermediate, want 1", n)
	}
}

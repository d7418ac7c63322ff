package e2e

import (
	"sync/atomic"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// Several paths lead from a leaf to a trust anchor: an intermediate that two
// roots have certified. One path without a revoked certificate above the leaf
// is enough; a leaf that is revoked under any issuer is refused.
func TestStatusOnSeveralPaths(t *testing.T) {
	t.Parallel()
	one, two := newAuthority(t, pki.NewCA("one")), newAuthority(t, pki.NewCA("two"))
	r := newStatusRig(t, cas{idA: one.Certificate, idB: two.Certificate}, bothModes(object{"ca_certificates": []string{idA, idB}}))
	// What is said of both certificates of the intermediate, each by its issuer.
	revoke := func(a *authority, c *pki.Certificate) { a.responder.Revoke(c, 2) }
	good := func(a *authority, c *pki.Certificate) { a.responder.Good(c) }
	unknown := func(*authority, *pki.Certificate) {}
	dead := func(*authority, *pki.Certificate) {}
	for _, test := range []struct {
		name           string
		one, two       func(*authority, *pki.Certificate)
		leaf           func(*authority, *pki.Certificate)
		twoIsDead      bool
		strict, ignore string
	}{
		{"both good", good, good, good, false, passes, passes},
		{"one revoked, the other good", revoke, good, good, false, passes, passes},
		{"one good, the other revoked", good, revoke, good, false, passes, passes},
		{"both revoked", revoke, revoke, good, false, isRevoked, isRevoked},
		{"one revoked, the other unknown", revoke, unknown, good, false, isRevoked, isRevoked},
		{"one good, the other unknown", good, unknown, good, false, passes, passes},
		{"one revoked, the other's responder dead", revoke, dead, good, true, isRevoked, passesNoted},
		{"one good, the other's responder dead", good, dead, good, true, passes, passesNoted},
		{"leaf revoked", good, good, revoke, false, isRevoked, isRevoked},
		{"leaf unknown", good, good, unknown, false, isUnknown, isUnknown},
	} {
		inter := newAuthority(t, one.Intermediate("inter", one.byOCSP()))
		address := two.byOCSP()
		if test.twoIsDead {
			address = pki.OCSPServer(newClosedPort(t).address)
		}
		cross := two.Intermediate("inter", pki.Key(inter.Key), address)
		test.one(one, inter.Certificate)
		test.two(two, cross)
		leaf := inter.Client("leaf", inter.byOCSP())
		test.leaf(inter, leaf)
		c := r.sending(leaf, cross)
		for path, want := range map[string]string{"/strict": test.strict, "/ignore": test.ignore} {
			r.expectAnswer(test.name+" on "+path, func() answer { return r.ask(c, r.URLTLS()+path) }, want)
		}
		c.CloseIdleConnections()
	}
}

// The two issuers of a leaf are asked about it each by itself: an answer that
// says revoked counts, whichever it is.
func TestLeafRevokedUnderOneOfItsIssuers(t *testing.T) {
	t.Parallel()
	one, two := pki.NewCA("one"), pki.NewCA("two")
	inter := one.Intermediate("inter")
	cross := two.Intermediate("inter", pki.Key(inter.Key))
	responder := newResponder(t, inter)
	const idOne, idTwo = "dddddddd-0000-4000-8000-000000000004", "eeeeeeee-0000-4000-8000-000000000005"
	r := newStatusRig(t, cas{idA: one, idB: two, idOne: inter, idTwo: cross}, routes{"/echo": checked("IGNORE_CA_ERROR",
		object{"ca_certificates": []string{idA, idB, idOne, idTwo}})})
	for _, revokedFirst := range []bool{true, false} {
		var n atomic.Int64
		responder.Change(func(o *pki.OCSPResponse) {
			if first := n.Add(1) == 1; first == revokedFirst {
				o.Singles[0].Status = pki.OCSPRevoked
			}
		})
		leaf := inter.Client("leaf", pki.OCSPServer(responder.URL()))
		responder.Good(leaf)
		r.expectStatus("revoked under one issuer", "/echo", onlyLeaf(leaf), isRevoked)
		if responder.Count(leaf) != 2 {
			t.Errorf("%d questions for two issuers, want 2", responder.Count(leaf))
		}
	}
}

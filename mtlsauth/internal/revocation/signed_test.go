package revocation_test

import (
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// A CA whose CRL is in shards (issuing distribution points), each with a delta CRL:
// however many shards there are, the delta that revokes counts.
func TestDeltasOfManyShards(t *testing.T) {
	for _, shards := range []int{1, 16, 17, 40} {
		t.Run(fmt.Sprint(shards), func(t *testing.T) {
			root := pki.NewCA("root")
			uri := func(n int) string { return fmt.Sprintf("http://crl/%d.crl", n) }
			leaf := root.Client("leaf", pki.DistributionPoints(pki.DistributionPoint{URIs: []string{uri(0)}}))
			var lists []pki.CRL
			at := time.Now().Add(-time.Hour)
			for n := range shards {
				idp := &pki.IDP{URIs: []string{uri(n)}}
				delta := pki.CRL{Issuer: root, ThisUpdate: at.Add(time.Duration(n) * time.Second), IDP: idp, Number: 2, BaseNumber: 1}
				if n == 0 {
					delta.Entries = pki.Revoked(leaf)
				}
				lists = append(lists, pki.CRL{Issuer: root, ThisUpdate: at.Add(-time.Hour), IDP: idp, Number: 1}, delta)
			}
			w, _ := withFolder(t, lists...)
			w.expect("on the delta of its shard", "revoked", leaf, root)
		})
	}
}

// A revoked client chooses a certificate of its issuer, with the same name and key,
// whose subject key identifier the CRL does not name.
func TestKeyIdentifiersDoNotDecide(t *testing.T) {
	root, other := pki.NewCA("root"), pki.NewCA("other root")
	inter := root.Intermediate("inter")
	cross := other.Intermediate("inter", pki.Key(inter.Key), pki.With(func(c *x509.Certificate) { c.SubjectKeyId = []byte("another method of RFC 7093") }))
	bad, good := inter.Client("bad", crl("crl")), inter.Client("good", crl("crl"))
	for name, mode := range both {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.settings.Mode = mode
			w.trust.configured = []*pki.Certificate{cross, inter}
			w.list("crl", pki.CRL{Issuer: inter, Entries: pki.Revoked(bad)})
			w.expect("by the cross-certificate", "revoked", bad, cross, other)
			w.expect("by the issuer's", "revoked", bad, inter, root)
			w.expect("a good one by the cross-certificate", "passed", good, cross, other)
		})
	}
}

// A later list that clears says otherwise; an earlier one does not, whatever is
// wrong with the one that revokes.
func TestAListWithAFlawRevokesUntilALaterOneSaysOtherwise(t *testing.T) {
	for name, mode := range both {
		bubble(t, name, func(t *testing.T) {
			w := inBubble(t)
			w.settings.Mode = mode
			leaf := w.root.Client("leaf", crl("crl"))
			at := time.Now()
			list := func(age time.Duration, number int64, entries []pki.CRLEntry) []byte {
				return pki.CRL{Issuer: w.root, Number: number, NoNumber: number == 0, ThisUpdate: at.Add(-age), NextUpdate: at.Add(240 * time.Hour), Entries: entries}.DER()
			}
			host := pki.NewCRLHost(list(3*time.Hour, 1, nil))
			w.put("crl", host)
			w.expect("good", "passed", leaf, w.root)
			host.Set(list(2*time.Hour, 0, pki.Revoked(leaf)))
			time.Sleep(10 * time.Minute)
			w.check(path(leaf, w.root)) // by what is known, which is fetched again
			time.Sleep(10 * time.Second)
			w.expect("a later one without a number lists it", "revoked", leaf, w.root)
			host.Set(list(150*time.Minute, 2, nil))
			time.Sleep(20 * time.Minute)
			w.expect("one in between does not", "revoked", leaf, w.root)
			host.Set(list(time.Hour, 3, nil))
			time.Sleep(20 * time.Minute)
			w.check(path(leaf, w.root))
			time.Sleep(10 * time.Second)
			w.expect("a later one does not", "passed", leaf, w.root)
		})
	}
}

// What the operator's own responder signs counts where it is configured, and
// nowhere else.
func TestOwnResponder(t *testing.T) {
	own := pki.NewCA("own", pki.ExtKeyUsage(x509.ExtKeyUsageOCSPSigning), pki.With(func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageDigitalSignature }))
	w := newWorld(t)
	with, without := known{responders: []*pki.Certificate{own}}, known{}
	good, bad := w.root.Client("good", ocsp("ocsp")), w.root.Client("bad", ocsp("ocsp"))
	r := w.responder("ocsp", w.root)
	r.Good(good)
	r.Revoke(bad, 1)
	r.Change(func(response *pki.OCSPResponse) { response.Signer = own })
	for range 2 {
		w.trust = with
		w.expect("good, where it is configured", "passed", good, w.root)
		w.expect("revoked, where it is configured", "revoked", bad, w.root)
		w.trust = without
		w.expect("good, elsewhere", "unknown", good, w.root)
		w.expect("revoked, elsewhere", "unknown", bad, w.root)
	}
}

package e2e

import (
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// A CRL is fetched once, and fetched again before it expires with what tells that
// it is the same; it serves until its nextUpdate.
func TestCRLIsRevalidated(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, pki.NewCA("root"))
	r := newStatusRig(t, cas{idA: root.Certificate}, bothModes(object{"cert_cache_ttl": 0}))
	var cert *pki.Certificate
	ends := r.before(5*time.Second, func(r *rig, ends time.Time) {
		root.host = newCRLHost(t, pki.CRL{Issuer: root.Certificate, NextUpdate: ends})
		cert = root.Client("client", root.byCRL())
		r.expectStatus("first", "/strict", cert, passes)
	})
	r.keepAsking("before its end", "/strict", cert, 200, ends)
	requests := root.host.Requests()
	if n := root.host.Count(200); n != 1 {
		t.Errorf("the CRL was sent %d times, want once", n)
	}
	if n := root.host.Count(304); n < 1 || n > 4 {
		t.Errorf("%d times it was told that the CRL is the same, want 1 to 4: %+v", n, requests)
	}
	for _, request := range requests[1:] {
		if request.IfNoneMatch == "" || request.IfModifiedSince == "" {
			t.Errorf("fetched again without validators: %+v", request)
		}
	}
	// The same list once more is no more current than before.
	r.statusBecomes("after its end", "/strict", cert, 401, ends.Add(time.Second))
	r.expectStatus("after its end", "/strict", cert, isUnknown, "nextUpdate")
	r.expectStatus("EE 27 after its end", "/ignore", cert, passesNoted, "nextUpdate")
	root.host.Set(pki.CRL{Issuer: root.Certificate, ThisUpdate: inSeconds(-1), NextUpdate: inSeconds(3600), Number: 2}.DER())
	r.statusBecomes("EE 27 with a later list", "/strict", cert, 200, soon())
	r.expectStatus("EE 27 with a later list", "/ignore", cert, passes)
}

// cert_cache_ttl does not have a CRL asked for more often than every 5 minutes.
func TestCRLIsNotAskedForAgainAndAgain(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, pki.NewCA("root"))
	r := newStatusRig(t, cas{idA: root.Certificate}, bothModes(object{"cert_cache_ttl": 100}))
	cert, other := root.Client("client", root.byCRL()), root.Client("other", root.byCRL())
	r.keepAsking("in use", "/strict", cert, 200, time.Now().Add(2*time.Second))
	r.expectStatus("another certificate", "/strict", other, passes)
	if n := len(root.host.Requests()); n != 1 {
		t.Errorf("%d requests for the CRL, want 1", n)
	}
}

// EE 17: a CRL with 100,000 entries is read once; what is asked of it later
// costs nothing to speak of.
func TestLargeCRL(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, pki.NewCA("root"))
	r := newStatusRig(t, cas{idA: root.Certificate}, bothModes(object{"cert_cache_ttl": 0}))
	listed := root.Client("listed", root.byCRL())
	root.host.Set(pki.CRL{Issuer: root.Certificate, RawEntries: pki.Serials(100_000, 16), Entries: pki.Revoked(listed)}.DER())
	r.expectStatus("EE 17 first", "/strict", root.Client("client", root.byCRL()), passes)
	const certificates = 20
	began := time.Now()
	for range certificates {
		if got := r.status("/strict", root.Client("client", root.byCRL())); got != 200 {
			t.Errorf("EE 17 not on the CRL: got %d, want 200", got)
		}
	}
	t.Logf("%d checks of new certificates with a large CRL took %v", certificates, time.Since(began))
	r.expectStatus("EE 17 the last of 100,001 entries", "/ignore", listed, isRevoked)
	if n := len(root.host.Requests()); n != 1 {
		t.Errorf("EE 17 the CRL was fetched %d times, want once", n)
	}
}

// A list over -max-crl-size is none, whether its length is announced or not;
// one of just that size is.
func TestMaxCRLSize(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, pki.NewCA("root"))
	list := pki.CRL{Issuer: root.Certificate, RawEntries: pki.Serials(100, 16)}
	fits := newCRLHost(t, list)
	list.RawEntries = pki.Serials(200, 16)
	tooLarge := newCRLHost(t, list)
	r := newStatusRig(t, cas{idA: root.Certificate}, bothModes(), flags("-max-crl-size 5KiB"))
	if n := len(list.DER()); n <= 5<<10 {
		t.Fatalf("the large list has %d bytes", n)
	}
	r.expectStatus("a list that fits", "/strict", root.Client("client", pki.CRLDistributionPoint(fits.URL())), passes)
	large := root.Client("client", pki.CRLDistributionPoint(tooLarge.URL()))
	r.expectStatus("a list that is too large", "/strict", large, isUnknown, "larger than allowed")
	r.expectStatus("a list that is too large", "/ignore", large, passesNoted, "larger than allowed")
}

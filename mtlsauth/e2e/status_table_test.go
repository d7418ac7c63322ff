package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// tableCase is a certificate and what a request with it comes to.
type tableCase struct {
	name           string
	cert           *pki.Certificate
	strict, ignore string // see expectStatus
	because        string
}

// expectTable checks each case in both modes, and as anonymous.
func (r *rig) expectTable(cases []tableCase) {
	r.t.Helper()
	for _, c := range cases {
		r.expectStatus(c.name, "/strict", c.cert, c.strict, c.because)
		r.expectStatus(c.name, "/ignore", c.cert, c.ignore, c.because)
	}
}

// A34, A37, EE 13, EE 40 and the table of modes: what is known of each level, by
// each source. What cannot be had is TestNothingUsable's.
func TestStatusTable(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, pki.NewCA("root"))
	lists := t.TempDir()
	addList := func(name string, list pki.CRL) {
		writeFile(t, filepath.Join(lists, name), string(list.PEM()))
	}
	ocsp, crl := root.byOCSP(), root.byCRL()

	// Leaves of the root, by each source.
	leaf := func(name string, options ...pki.Option) *pki.Certificate {
		return root.Client(name, options...)
	}
	good, bad, strange := leaf("good", ocsp), leaf("bad", ocsp), leaf("strange", ocsp)
	listed, unlisted := leaf("listed", crl), leaf("unlisted", crl)
	strangeUnlisted, strangeListed := leaf("strange, unlisted", ocsp, crl), leaf("strange, listed", ocsp, crl)
	strangeNoList := leaf("strange, no list", ocsp, pki.CRLDistributionPoint(newClosedPort(t).address))
	none := leaf("none")
	root.responder.Good(good)
	root.responder.Revoke(bad, 1)

	// Intermediates of the root, below which every leaf is good.
	type below struct {
		*authority
		leaf *pki.Certificate
	}
	inter := func(name string, options ...pki.Option) below {
		i := newAuthority(t, root.Intermediate(name, options...))
		l := i.Client("leaf of "+name, i.byOCSP())
		i.responder.Good(l)
		return below{i, l}
	}
	interGood, interBad, interStrange := inter("inter good", ocsp), inter("inter bad", ocsp), inter("inter strange", ocsp)
	interListed, interUnlisted := inter("inter listed", crl), inter("inter unlisted", crl)
	interNone := inter("inter none")
	root.responder.Good(interGood.Certificate)
	root.responder.Revoke(interBad.Certificate, 2)
	root.host.Set(pki.CRL{Issuer: root.Certificate,
		Entries: pki.Revoked(listed, strangeListed, interListed.Certificate)}.DER())

	// A CA whose certificates name no address: its list is in the folder.
	offline := pki.NewCA("offline")
	offlineListed, offlineUnlisted := offline.Client("listed"), offline.Client("unlisted")
	offlineInter, offlineInterBad := offline.Intermediate("inter"), offline.Intermediate("inter bad")
	offlineLeaf, offlineLeafOfBad := offlineInter.Client("leaf"), offlineInterBad.Client("leaf of bad")
	addList("offline.crl", pki.CRL{Issuer: offline, Entries: pki.Revoked(offlineListed, offlineInterBad)})
	addList("inter.crl", pki.CRL{Issuer: offlineInter})
	addList("inter-bad.crl", pki.CRL{Issuer: offlineInterBad})

	// An intermediate that is in ca_certificates and names no address.
	const idVouched, idDead = "dddddddd-0000-4000-8000-000000000004", "eeeeeeee-0000-4000-8000-000000000005"
	vouched := inter("vouched for")
	vouchedDead := inter("vouched for, dead", pki.OCSPServer(newClosedPort(t).address))

	ids := object{"ca_certificates": []string{idA, idB, idVouched, idDead}}
	anonymous := object{"anonymous": "guest"}
	r := newStatusRig(t, cas{idA: root.Certificate, idB: offline, idVouched: vouched.Certificate, idDead: vouchedDead.Certificate}, routes{
		"/strict": checked("STRICT", ids), "/ignore": checked("IGNORE_CA_ERROR", ids),
		"/strict-or": checked("STRICT", ids, anonymous), "/ignore-or": checked("IGNORE_CA_ERROR", ids, anonymous),
	}, flags("-crl-dir "+lists), with(t, consumers(consumer(idGuest, "guest"))))

	r.expectTable([]tableCase{
		{"A34 good by OCSP", good, passes, passes, ""},
		{"A34 revoked by OCSP", bad, isRevoked, isRevoked, "says OCSP responder"},
		{"good by CRL", unlisted, passes, passes, ""},
		{"EE 13 revoked by CRL", listed, isRevoked, isRevoked, "says the CRL of"},
		{"good by -crl-dir", offlineUnlisted, passes, passes, ""},
		{"revoked by -crl-dir", offlineListed, isRevoked, isRevoked, "from -crl-dir"},

		{"intermediate good by OCSP", interGood.leaf, passes, passes, ""},
		{"intermediate revoked by OCSP", interBad.leaf, isRevoked, isRevoked, "says OCSP responder"},
		{"intermediate good by CRL", interUnlisted.leaf, passes, passes, ""},
		{"intermediate revoked by CRL", interListed.leaf, isRevoked, isRevoked, "says the CRL of"},
		{"intermediate good by -crl-dir", offlineLeaf, passes, passes, ""},
		{"intermediate revoked by -crl-dir", offlineLeafOfBad, isRevoked, isRevoked, "from -crl-dir"},

		{"unknown, no CRL", strange, isUnknown, isUnknown, "the OCSP responder does not know it"},
		{"unknown, a CRL says good", strangeUnlisted, passes, passes, ""},
		{"unknown, a CRL says revoked", strangeListed, isRevoked, isRevoked, "says the CRL of"},
		{"unknown, its CRL cannot be had", strangeNoList, isUnknown, isUnknown, "the OCSP responder does not know it"},
		{"intermediate unknown", interStrange.leaf, isUnknown, isUnknown, "the OCSP responder does not know it"},

		{"A37, EE 40 no address", none, isUnknown, passes, "names no OCSP responder and no CRL"},
		{"intermediate without an address, sent", interNone.leaf, isUnknown, passes, "names no OCSP responder and no CRL"},
		{"intermediate without an address, vouched for", onlyLeaf(vouched.leaf), passes, passes, ""},
		{"intermediate vouched for, its responder is dead", onlyLeaf(vouchedDead.leaf), isUnknown, passesNoted, "connection refused"},
	})

	// anonymous stands in for every 401, and for nothing else.
	for _, path := range []string{"/strict-or", "/ignore-or"} {
		for _, c := range []struct {
			cert   *pki.Certificate
			reason string // of the denial
		}{{good, ""}, {bad, isRevoked}, {strange, isUnknown}, {interListed.leaf, isRevoked}} {
			got := r.get(path, c.cert)
			what := path + " " + c.cert.Subject.CommonName
			r.expect(what, got, 200, "")
			want, verify := "", "SUCCESS"
			if c.reason != "" {
				want, verify = "true", "FAILED:"+c.reason
			}
			if v := got.seen.Get("X-Anonymous-Consumer"); v != want {
				t.Errorf("%s: the upstream sees X-Anonymous-Consumer %q, want %q", what, v, want)
			}
			if v := r.verified(got); v != verify {
				t.Errorf("%s: client_verify is %q, want %q", what, v, verify)
			}
		}
	}

	// A list that the folder has of an intermediate counts for those whom the
	// configuration vouches for, too.
	writeFile(t, filepath.Join(lists, "root.crl.new"), string(pki.CRL{
		Issuer: root.Certificate, Entries: pki.Revoked(vouched.Certificate)}.PEM()))
	if err := os.Rename(filepath.Join(lists, "root.crl.new"), filepath.Join(lists, "root.crl")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the intermediate that is vouched for is revoked", func() bool { return r.status("/ignore", onlyLeaf(vouched.leaf)) == 401 })
	r.expectStatus("vouched for, and revoked", "/strict", onlyLeaf(vouched.leaf), isRevoked, "from -crl-dir")
}

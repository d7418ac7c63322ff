package e2e

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// replaceList puts a list into a folder at once, as tools that care do.
func replaceList(t *testing.T, dir, name string, list pki.CRL) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path+".new~", list.DER(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new~", path); err != nil {
		t.Fatal(err)
	}
}

// A gateway with no way out, which is STRICT: lists in a folder answer for
// certificates that name no address, and what they say counts within the
// interval between two looks, for those who passed a moment ago as well.
func TestCRLFolder(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	inter := root.Intermediate("inter")
	lists := filepath.Join(t.TempDir(), "not", "yet")
	r := newStatusRig(t, cas{idA: root}, bothModes(), flags("-crl-dir "+lists))
	// Where nothing hangs on how soon it is seen, the folder is read at once.
	reload := func() {
		if err := syscall.Kill(r.Process().PID(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	leaf, other := inter.Client("leaf"), root.Client("other")
	r.expectStatus("the folder is not there", "/strict", other, isUnknown, "no such file or directory")
	r.expectStatus("the folder is not there", "/ignore", other, passes)

	if err := os.MkdirAll(lists, 0o700); err != nil {
		t.Fatal(err)
	}
	replaceList(t, lists, "a", pki.CRL{Issuer: root})
	reload()
	eventually(t, "the folder is there", func() bool { return r.status("/strict", other) == 200 })
	r.expectStatus("no list of the intermediate", "/strict", leaf, isUnknown)
	replaceList(t, lists, "b", pki.CRL{Issuer: inter})
	reload()
	eventually(t, "a list of the intermediate", func() bool { return r.status("/strict", leaf) == 200 })

	// A later list; an earlier one beside it says nothing.
	r.expectStatus("in use", "/strict", leaf, passes)
	replaceList(t, lists, "c", pki.CRL{Issuer: inter, ThisUpdate: inSeconds(-60), Number: 2, Entries: pki.Revoked(leaf)})
	r.statusBecomes("a new list ends a pass", "/strict", leaf, 401, soon())
	r.expectStatus("on the new list", "/ignore", leaf, isRevoked, "from -crl-dir")
	r.expectStatus("not on the new list", "/strict", other, passes)

	// Who was listed stays out when the list goes, until a later one says
	// otherwise.
	if err := os.Remove(filepath.Join(lists, "c")); err != nil {
		t.Fatal(err)
	}
	reload()
	r.keepAsking("the list is gone", "/ignore", leaf, 401, time.Now().Add(1500*time.Millisecond))
	r.expectStatus("another certificate", "/strict", inter.Client("another"), passes)
	replaceList(t, lists, "d", pki.CRL{Issuer: inter, ThisUpdate: inSeconds(-30), Number: 3})
	reload()
	r.statusBecomes("a later list without it", "/strict", leaf, 200, soon())

	// A delta adds to its base, and what is broken changes nothing.
	writeFile(t, filepath.Join(lists, "broken"), "no list")
	replaceList(t, lists, "delta", pki.CRL{Issuer: root, ThisUpdate: inSeconds(-10), Number: 2, BaseNumber: 1, Entries: pki.Revoked(other)})
	r.statusBecomes("on a delta", "/strict", other, 401, soon())
	r.expectStatus("on a delta", "/ignore", other, isRevoked, "from -crl-dir")
	r.expectStatus("not on a delta", "/strict", leaf, passes)
}

// The folder answers before any address is visited, and who it does not speak of
// is asked about there.
func TestCRLFolderComesFirst(t *testing.T) {
	t.Parallel()
	root, other := newAuthority(t, pki.NewCA("root")), newAuthority(t, pki.NewCA("other"))
	lists := t.TempDir()
	listed, unlisted := root.Client("listed", root.byOCSP(), root.byCRL()), root.Client("unlisted", root.byOCSP(), root.byCRL())
	root.responder.Good(listed)
	root.responder.Revoke(unlisted, 1)
	stale := newAuthority(t, pki.NewCA("stale"))
	replaceList(t, lists, "root.crl", pki.CRL{Issuer: root.Certificate, Entries: pki.Revoked(listed)})
	replaceList(t, lists, "stale.crl", pki.CRL{Issuer: stale.Certificate, ThisUpdate: inSeconds(-7200), NextUpdate: inSeconds(-3600)})
	replaceList(t, lists, "forged.crl", pki.CRL{Issuer: other.Certificate, Signer: root.Certificate})
	const idStale = "dddddddd-0000-4000-8000-000000000004"
	ids := object{"ca_certificates": []string{idA, idB, idStale}}
	r := newStatusRig(t, cas{idA: root.Certificate, idB: other.Certificate, idStale: stale.Certificate}, bothModes(ids), flags("-crl-dir "+lists))
	r.expectStatus("in the folder", "/ignore", listed, isRevoked, "from -crl-dir")
	r.expectStatus("not in the folder's list", "/strict", unlisted, passes)
	if n := root.asked(); n != 0 {
		t.Errorf("%d addresses were visited though the folder has the answer", n)
	}
	for _, ca := range []*authority{other, stale} {
		good, bad := ca.Client("good", ca.byOCSP()), ca.Client("bad", ca.byOCSP())
		ca.responder.Good(good)
		ca.responder.Revoke(bad, 1)
		what := "the folder's list of " + ca.Subject.CommonName + " is of no use"
		r.expectStatus(what, "/strict", good, passes)
		r.expectStatus(what, "/ignore", bad, isRevoked, "says OCSP responder")
		r.expectStatus(what, "/strict", ca.Client("no address"), isUnknown)
	}
}

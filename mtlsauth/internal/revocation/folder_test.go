package revocation_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/revocation/crldir"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// withFolder returns a world with these lists in -crl-dir, which is read.
func withFolder(t *testing.T, lists ...pki.CRL) (*world, string) {
	t.Helper()
	dir := t.TempDir()
	for n, c := range lists {
		writeList(t, dir, string(rune('a'+n)), c)
	}
	folder := crldir.Open(dir, crldir.Options{Every: 5 * time.Millisecond})
	go folder.Run(t.Context())
	<-folder.Ready()
	return newWorld(t, func(o *revocation.Options) { o.Folder = folder }), dir
}

func writeList(t *testing.T, dir, name string, c pki.CRL) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), c.DER(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A list of the folder answers before any URL is asked, also for a
// certificate that names none.
func TestFolderComesFirst(t *testing.T) {
	root := pki.NewCA("root")
	good, bad, silent := root.Client("good", ocsp("ocsp"), crl("crl")), root.Client("bad", ocsp("ocsp")), root.Client("silent")
	stranger := pki.NewCA("root")
	for name, mode := range both {
		w, _ := withFolder(t, pki.CRL{Issuer: root, Entries: pki.Revoked(bad)})
		w.settings.Mode = mode
		w.responder("ocsp", root).Good(bad)
		for range 2 {
			w.expect(name+": good", "passed", good, root)
			w.expect(name+": revoked, though a responder would say good", "revoked", bad, root)
			w.expect(name+": names no address", "passed", silent, root)
		}
		if n := w.count(); n != 0 {
			t.Errorf("%s: %d URLs were asked", name, n)
		}
		// It is another issuer's, though of one name.
		w.settings.Mode = revocation.Strict
		w.expect(name+": of another CA of the name", "unknown", stranger.Client("leaf"), stranger)
	}
}

// Of lists about the same the latest counts; what cannot be used does not stand
// in its way.
func TestFolderWithSeveralLists(t *testing.T) {
	root := pki.NewCA("root")
	leaf := root.Client("leaf")
	revoked := pki.Revoked(leaf)
	hours := func(n int) time.Time { return time.Now().Add(time.Duration(n) * time.Hour) }
	for _, test := range []struct {
		name  string
		lists []pki.CRL
		want  string
	}{
		{"the earlier has it", []pki.CRL{{Issuer: root, ThisUpdate: hours(-2), Entries: revoked}, {Issuer: root, ThisUpdate: hours(-1), Number: 2}}, "passed"},
		{"the later has it", []pki.CRL{{Issuer: root, ThisUpdate: hours(-2)}, {Issuer: root, ThisUpdate: hours(-1), Number: 2, Entries: revoked}}, "revoked"},
		{"the later is tampered with", []pki.CRL{{Issuer: root, ThisUpdate: hours(-2), Entries: revoked}, {Issuer: root, ThisUpdate: hours(-1), CorruptSignature: true}}, "revoked"},
		{"a delta takes it off hold", []pki.CRL{{Issuer: root, ThisUpdate: hours(-2), Entries: []pki.CRLEntry{{Serial: leaf.SerialNumber, Reason: 6}}},
			{Issuer: root, ThisUpdate: hours(-1), BaseNumber: 1, Number: 2, Entries: []pki.CRLEntry{{Serial: leaf.SerialNumber, Reason: 8}}}}, "passed"},
		{"a delta has it", []pki.CRL{{Issuer: root, ThisUpdate: hours(-2)}, {Issuer: root, ThisUpdate: hours(-1), BaseNumber: 1, Number: 2, Entries: revoked}}, "revoked"},
		{"all are over", []pki.CRL{{Issuer: root, ThisUpdate: hours(-2), NextUpdate: hours(-1)}}, "unknown"},
		{"all are over, and it is on one", []pki.CRL{{Issuer: root, ThisUpdate: hours(-2), NextUpdate: hours(-1), Entries: revoked}}, "revoked"},
		{"it is for CA certificates", []pki.CRL{{Issuer: root, IDP: &pki.IDP{OnlyCACerts: true}}}, "unknown"},
		{"one for each kind", []pki.CRL{{Issuer: root, IDP: &pki.IDP{OnlyCACerts: true}}, {Issuer: root, IDP: &pki.IDP{OnlyUserCerts: true}, Entries: revoked}}, "revoked"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, _ := withFolder(t, test.lists...)
			w.expect("first", test.want, leaf, root)
		})
	}
}

// More delta CRLs than are verified, beside the latest list, are no way back to
// the one before it, nor past what the latest list itself says.
func TestFolderWithTooManyDeltas(t *testing.T) {
	root, namesake := pki.NewCA("root"), pki.NewCA("root")
	bad, other := root.Client("bad"), root.Client("other")
	hours := func(n int) time.Time { return time.Now().Add(time.Duration(n) * time.Hour) }
	lists := []pki.CRL{{Issuer: root, ThisUpdate: hours(-2), Number: 1}, {Issuer: root, ThisUpdate: hours(-1), Number: 2, Entries: pki.Revoked(bad)}}
	for n := range int64(17) {
		lists = append(lists, pki.CRL{Issuer: root, Signer: namesake, ThisUpdate: hours(-1), BaseNumber: 2, Number: 3 + n})
	}
	w, _ := withFolder(t, lists...)
	w.expect("STRICT, on the latest list", "revoked", bad, root)
	w.expect("STRICT, on none", "unknown", other, root)
	w.settings.Mode = revocation.IgnoreCAError
	w.expect("IGNORE_CA_ERROR, on the latest list", "revoked", bad, root)
}

// What the folder holds next counts from the next reading on.
func TestFolderThatChanges(t *testing.T) {
	root := pki.NewCA("root")
	leaf := root.Client("leaf")
	w, dir := withFolder(t, pki.CRL{Issuer: root})
	w.expect("first", "passed", leaf, root)
	before := w.checker.Replaced()
	writeList(t, dir, "b", pki.CRL{Issuer: root, Number: 2, ThisUpdate: time.Now().Add(-time.Minute), Entries: pki.Revoked(leaf)})
	for began := time.Now(); w.checker.Replaced() == before; time.Sleep(time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatal("the folder is not read again")
		}
	}
	w.expect("after the new list", "revoked", leaf, root)
}

// Nothing is judged before the folder has been read.
func TestFolderThatIsNotRead(t *testing.T) {
	root := pki.NewCA("root")
	folder := crldir.Open(t.TempDir(), crldir.Options{})
	w := newWorld(t, func(o *revocation.Options) { o.Folder = folder })
	w.settings.Mode = revocation.IgnoreCAError
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	leaf := root.Client("leaf")
	if r := w.checker.Check(ctx, [][]*certificate.Certificate{path(leaf, root)}, w.trust, w.settings, time.Now()); r.Verdict != revocation.Unjudged || r.Err == nil {
		t.Errorf("got %s, %v, want unjudged", verdicts[r.Verdict], r.Err)
	}
	go folder.Run(t.Context())
	w.expect("when it is read", "passed", leaf, root)
}

// The status of who signed a list of the folder is in the way of a limit of our
// own.
func TestFolderAndLimits(t *testing.T) {
	root := pki.NewCA("root")
	inter := root.Intermediate("inter", pki.With(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }))
	signer := root.Client("", crlKey(inter), ocsp("busy"))
	for name, mode := range both {
		w, _ := withFolder(t, pki.CRL{Issuer: inter, Signer: signer})
		w.settings.Mode = mode
		w.trust = known{configured: []*pki.Certificate{inter}, signers: [][]*certificate.Certificate{path(signer, root)}}
		r := w.responder("busy", root)
		r.Good(signer)
		w.fails("busy", busy)
		leaf := inter.Client("leaf")
		w.expect(name+": a limit", "unjudged", leaf, inter, root)
		w.fails("busy", -1)
		w.expect(name+": none", "passed", leaf, inter, root)
	}
}

// A list whose time has not come revokes what it lists, and clears nothing before
// it has: what is decided by the one before lasts a minute.
func TestAListOfTheFolderThatIsAhead(t *testing.T) {
	root := pki.NewCA("root")
	bad, held := root.Client("bad"), root.Client("held")
	onHold := []pki.CRLEntry{{Serial: held.SerialNumber, Reason: 6}}
	w, _ := withFolder(t, pki.CRL{Issuer: root, NextUpdate: time.Now().Add(24 * time.Hour), Entries: onHold},
		pki.CRL{Issuer: root, Number: 2, ThisUpdate: time.Now().Add(6 * time.Minute), NextUpdate: time.Now().Add(48 * time.Hour), Entries: pki.Revoked(bad)})
	w.expect("it lists it", "revoked", bad, root)
	r := w.expect("it does not", "passed", root.Client("good"), root)
	if r.Until.IsZero() || time.Until(r.Until) > time.Minute {
		t.Errorf("the pass is to last until %v, in %v", r.Until, time.Until(r.Until))
	}
	w.expect("it does not, the one before does", "revoked", held, root)
	later := w.checker.Check(t.Context(), [][]*certificate.Certificate{path(held, root)}, w.trust, w.settings, time.Now().Add(2*time.Minute))
	if later.Verdict != revocation.Passed {
		t.Errorf("in two minutes: got %s (%v), want a pass", verdicts[later.Verdict], later.Err)
	}
}

// More distribution points than are read are no way past the folder.
func TestAFolderAndPointsThatCanNotBeRead(t *testing.T) {
	root := pki.NewCA("root")
	var points []pki.DistributionPoint
	for n := range 17 {
		points = append(points, pki.DistributionPoint{URIs: []string{fmt.Sprintf("http://crl/%d", n)}})
	}
	bad, good := root.Client("bad", pki.DistributionPoints(points...)), root.Client("good", pki.DistributionPoints(points...))
	w, _ := withFolder(t, pki.CRL{Issuer: root, Entries: pki.Revoked(bad)})
	w.expect("STRICT, not on the list", "unknown", good, root)
	w.settings.Mode = revocation.IgnoreCAError
	w.expect("on the list", "revoked", bad, root)
	w.expect("not on the list", "passed", good, root)
}

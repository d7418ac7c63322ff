package revocation_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/revocation/statedir"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// process is a world whose checker begins with what is on disk.
func process(t *testing.T, dir string) *world {
	t.Helper()
	state, err := statedir.Open(dir, "mtls-auth", statedir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(o *revocation.Options) { o.State = state })
	w.settings.Mode = revocation.IgnoreCAError
	w.settings.CertCacheTTL = time.Hour
	return w
}

// What was verified outlives the process, and is verified again.
func TestStateOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	first := process(t, dir)
	root := first.root
	good, bad := root.Client("good", ocsp("ocsp")), root.Client("bad", ocsp("ocsp"))
	listed, unlisted := root.Client("listed", crl("crl")), root.Client("unlisted", crl("crl"))
	r := first.responder("ocsp", root)
	r.Good(good)
	r.Revoke(bad, 1)
	first.list("crl", pki.CRL{Issuer: root, Entries: pki.Revoked(listed)})
	all := func(w *world, what string) {
		t.Helper()
		w.expect(what+": good", "passed", good, root)
		w.expect(what+": revoked", "revoked", bad, root)
		w.expect(what+": not on the list", "passed", unlisted, root)
		w.expect(what+": on the list", "revoked", listed, root)
	}
	all(first, "at first")
	second := process(t, dir) // with no network
	second.settings.Mode = revocation.Strict
	all(second, "after a restart")
	if n := second.count(); n != 0 {
		t.Errorf("%d URLs were asked after the restart", n)
	}
	third := process(t, copyState(t, dir, func(content []byte) []byte { content[len(content)-1] ^= 1; return content }))
	third.settings.Mode = revocation.Strict
	third.expect("damaged", "unknown", good, root)
}

// What lies on the disk is believed no more than what comes by the network: here
// the second process asks for larger keys.
func TestStateIsVerified(t *testing.T) {
	dir := t.TempDir()
	first := process(t, dir)
	root := pki.NewCA("root", pki.RSA(2048))
	leaf, listed := root.Client("leaf", ocsp("ocsp")), root.Client("listed", crl("crl"))
	first.responder("ocsp", root).Good(leaf)
	first.list("crl", pki.CRL{Issuer: root})
	first.expect("at first", "passed", leaf, root)
	first.expect("at first", "passed", listed, root)
	for bits, want := range map[int]string{2048: "passed", 3072: "unknown"} {
		state, err := statedir.Open(dir, "mtls-auth", statedir.Options{})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, func(o *revocation.Options) { o.State, o.MinRSABits = state, bits })
		w.expect("by OCSP", want, leaf, root)
		w.expect("by CRL", want, listed, root)
	}
}

// copyState copies what lies on the disk, changed.
func copyState(t *testing.T, dir string, change func([]byte) []byte) string {
	t.Helper()
	to := t.TempDir()
	if err := os.Mkdir(filepath.Join(to, "mtls-auth"), 0o700); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "mtls-auth"))
	if err != nil || len(entries) == 0 {
		t.Fatal("nothing is on the disk: ", err)
	}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, "mtls-auth", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, "mtls-auth", e.Name()), change(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// What is on disk is fetched again after its ttl, serves while that fails, and
// is not replaced by what is older.
func TestStateIsRenewed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := process(t, dir)
	root := first.root
	leaf, listed := root.Client("leaf", ocsp("ocsp")), root.Client("listed", crl("crl"))
	r := first.responder("ocsp", root)
	r.Good(leaf)
	first.list("crl", pki.CRL{Issuer: root, Entries: pki.Revoked(listed)})
	first.expect("at first", "passed", leaf, root)
	first.expect("at first", "revoked", listed, root)

	second := process(t, dir)
	second.settings.Mode, second.settings.CertCacheTTL = revocation.Strict, 0
	second.expect("no answer", "passed", leaf, root)
	if n := len(second.requests("ocsp")); n != 1 {
		t.Errorf("asked %d times, want once: it is past its ttl", n)
	}
	third := process(t, dir)
	third.settings.Mode, third.settings.CertCacheTTL = revocation.Strict, 0
	old := at(pki.Single(leaf, pki.OCSPRevoked), time.Now().Add(-30*time.Minute))
	third.responder("ocsp", root).Set(old)
	third.expect("an answer from before", "passed", leaf, root)
	fourth := process(t, dir)
	fourth.settings.CertCacheTTL = 0
	fourth.responder("ocsp", root).Revoke(leaf, 1)
	time.Sleep(1100 * time.Millisecond) // thisUpdate is in whole seconds
	fourth.expect("an answer from later", "revoked", leaf, root)
	fifth := process(t, dir)
	fifth.expect("which is on the disk now", "revoked", leaf, root)
}

// A revocation on the disk whose time is over still counts.
func TestStateThatIsOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := process(t, dir)
	root := first.root
	bad, listed := root.Client("bad", ocsp("ocsp")), root.Client("listed", crl("crl"))
	end := time.Now().Add(3 * time.Second).Truncate(time.Second)
	s := pki.Single(bad, pki.OCSPRevoked)
	s.NextUpdate = end
	first.responder("ocsp", root).Set(s)
	first.list("crl", pki.CRL{Issuer: root, Entries: pki.Revoked(listed), NextUpdate: end})
	first.expect("at first", "revoked", bad, root)
	first.expect("at first", "revoked", listed, root)
	time.Sleep(time.Until(end) + 1100*time.Millisecond)
	second := process(t, dir)
	for _, host := range []string{"ocsp", "crl"} {
		second.fails(host, int(fetch.Connect))
	}
	for range 2 {
		second.expect("by OCSP", "revoked", bad, root)
		second.expect("by CRL", "revoked", listed, root)
	}
}

// A responder that does not know a certificate any more says nothing against
// what it said of it before, on the disk neither.
func TestTheDiskKeepsARevocation(t *testing.T) {
	dir := t.TempDir()
	first := process(t, dir)
	first.settings.CertCacheTTL = 0
	root := first.root
	leaf := root.Client("leaf", ocsp("ocsp"))
	r := first.responder("ocsp", root)
	r.Revoke(leaf, 1)
	first.expect("revoked", "revoked", leaf, root)
	r.Set(at(pki.Single(leaf, pki.OCSPUnknown), time.Now()))
	first.expect("not known", "revoked", leaf, root)
	if n := r.Count(leaf); n != 3 { // by GET twice, then by POST
		t.Fatalf("the responder was asked %d times, want three: the test is void", n)
	}
	second := process(t, dir) // with no network
	second.expect("after a restart", "revoked", leaf, root)
}

// Who was revoked stays so after a restart, by whichever certificate of the
// issuer it comes.
func TestARevocationOutlivesTheProcessForAllOfTheIssuersCertificates(t *testing.T) {
	dir := t.TempDir()
	first := process(t, dir)
	self := pki.NewCA("issuer")
	cross := first.root.Intermediate("issuer", pki.Key(self.Key))
	other := first.root.Intermediate("issuer")
	byOCSP, byCRL := self.Client("a", ocsp("ocsp")), self.Client("b", crl("crl"))
	first.responder("ocsp", self).Revoke(byOCSP, 1)
	first.list("crl", pki.CRL{Issuer: self, Entries: pki.Revoked(byCRL)})
	first.expect("by OCSP", "revoked", byOCSP, self)
	first.expect("by CRL", "revoked", byCRL, self)
	second := process(t, dir) // with no network
	second.expect("by OCSP, under the cross-certificate", "revoked", byOCSP, cross)
	second.expect("by CRL, under the cross-certificate", "revoked", byCRL, cross)
	second.expect("by OCSP, under one with another key", "passed", byOCSP, other)
	second.expect("by CRL, under one with another key", "passed", byCRL, other)
}

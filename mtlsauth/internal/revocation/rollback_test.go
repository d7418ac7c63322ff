package revocation_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// An earlier list does not take the place of a later one, also when a request asks
// whom neither covers.
func TestNoRollbackByWhomAListDoesNotCover(t *testing.T) {
	bubble(t, "ignore", func(t *testing.T) {
		w := inBubble(t)
		w.settings.Mode = revocation.IgnoreCAError
		bad, seen := w.root.Client("bad", crl("crl")), w.root.Client("seen", crl("crl"))
		sub := w.root.Intermediate("sub", crl("crl"))
		now := time.Now()
		of := func(ago time.Duration, number int64, entries []pki.CRLEntry) pki.CRL {
			return pki.CRL{Issuer: w.root, IDP: &pki.IDP{OnlyUserCerts: true}, Number: number, Entries: entries,
				ThisUpdate: now.Add(-ago), NextUpdate: now.Add(24 * time.Hour)}
		}
		w.list("crl", of(time.Hour, 2, pki.Revoked(bad)))
		w.expect("by the later list", "passed", seen, w.root)
		w.list("crl", of(2*time.Hour, 1, nil)) // a mirror that lags, or a man in the middle
		time.Sleep(6 * time.Minute)
		w.expect("a CA's certificate", "passed", sub.Client("user"), sub, w.root)
		time.Sleep(6 * time.Minute)
		w.expect("revoked by the later list", "revoked", bad, w.root)
	})
}

// Nor does the list of other certificates, though it is later, which is over.
func TestNoRollbackByAListOfOthersThatIsOver(t *testing.T) {
	bubble(t, "ignore", func(t *testing.T) {
		w := inBubble(t)
		w.settings.Mode = revocation.IgnoreCAError
		bad, seen := w.root.Client("bad", crl("crl")), w.root.Client("seen", crl("crl"))
		now := time.Now()
		w.list("crl", pki.CRL{Issuer: w.root, IDP: &pki.IDP{OnlyUserCerts: true}, Number: 1, Entries: pki.Revoked(bad),
			ThisUpdate: now.Add(-2 * time.Hour), NextUpdate: now.Add(24 * time.Hour)})
		w.expect("by the right list", "passed", seen, w.root)
		w.list("crl", pki.CRL{Issuer: w.root, IDP: &pki.IDP{OnlyCACerts: true}, Number: 2,
			ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(-time.Minute)}).NoValidators()
		time.Sleep(6 * time.Minute)
		w.expect("by the right list, which is due", "passed", seen, w.root)
		time.Sleep(10 * time.Second)
		w.expect("revoked by the right list", "revoked", bad, w.root)
	})
}

// A list that only some can verify does not give way to an earlier one either.
func TestNoRollbackOfAListThatOnlySomeCanVerify(t *testing.T) {
	bubble(t, "ignore", func(t *testing.T) {
		w := inBubble(t)
		w.settings.Mode = revocation.IgnoreCAError
		signer := w.root.Client("", crlKey(w.root))
		bad, seen := w.root.Client("bad", crl("crl")), w.root.Client("seen", crl("crl"))
		knowing := known{configured: []*pki.Certificate{signer}, signers: [][]*certificate.Certificate{path(signer, w.root)}}
		now := time.Now()
		w.list("crl", pki.CRL{Issuer: w.root, Signer: signer, Number: 2, Entries: pki.Revoked(bad),
			ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(24 * time.Hour)})
		w.trust = known{}
		w.check(path(seen, w.root)) // by who does not send the signer
		w.trust = knowing
		w.expect("by the later list", "passed", seen, w.root)
		w.list("crl", pki.CRL{Issuer: w.root, Signer: signer, ThisUpdate: now.Add(-2 * time.Hour), NextUpdate: now.Add(24 * time.Hour)})
		time.Sleep(10 * time.Second)
		w.trust = known{}
		w.check(path(seen, w.root))
		w.trust = knowing
		time.Sleep(10 * time.Second)
		w.expect("revoked by the later list", "revoked", bad, w.root)
	})
}

// Two certificates of one CA have one place on disk for a list: which of them is
// behind does not write there.
func TestNoRollbackOnDisk(t *testing.T) {
	bubble(t, "ignore", func(t *testing.T) {
		dir := t.TempDir()
		first := process(t, dir)
		t.Cleanup(func() { time.Sleep(2 * time.Minute) })
		root := first.root
		again := pki.NewCA("root", pki.Key(root.Key))
		bad, other := root.Client("bad", crl("crl")), root.Client("other", crl("crl"))
		now := time.Now()
		earlier := pki.CRL{Issuer: root, ThisUpdate: now.Add(-2 * time.Hour), NextUpdate: now.Add(24 * time.Hour)}
		later := pki.CRL{Issuer: root, ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(24 * time.Hour), Number: 2, Entries: pki.Revoked(bad)}
		first.settings.CertCacheTTL = time.Minute
		first.list("crl", earlier).NoValidators()
		first.expect("under one", "passed", other, root)
		first.expect("under the other", "passed", other, again)
		mirrors := []http.Handler{pki.NewCRLHost(later.DER()), pki.NewCRLHost(earlier.DER())}
		var asked atomic.Int64
		first.put("crl", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // the second of which lags
			r.Header = nil
			n := asked.Add(1)
			mirrors[min(n-1, 1)].ServeHTTP(w, r)
			time.Sleep(time.Duration(n) * time.Second)
		}))
		time.Sleep(6 * time.Minute)
		first.expectAll("by the later list", "revoked", path(bad, root), path(bad, again))
		second := process(t, dir) // with no network
		second.expect("after a restart", "revoked", bad, root)
	})
}

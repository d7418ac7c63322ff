package crldir_test

import (
	"crypto/x509/pkix"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/crldir"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func TestWarnings(t *testing.T) {
	t.Parallel()
	const ending, over = "last quarter of its life", "past its nextUpdate"
	bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
		ca := pki.NewCA("x", pki.Subject(pkix.Name{CommonName: "one", Organization: []string{"Example, Inc."}}))
		der := newList(t, ca, 1, 0)
		nextUpdate := time.Now().Add(lifetime)
		write(t, r.path("a"), der)
		write(t, r.path("b"), pemOf(der))
		r.run()
		until := func(at time.Time) {
			time.Sleep(time.Until(at))
			synctest.Wait()
		}
		until(nextUpdate.Add(-lifetime/4 - time.Second))
		r.log.want(t, "before the last quarter", 0, "level=WARN")
		until(nextUpdate.Add(-lifetime/4 + time.Second))
		r.log.want(t, "in the last quarter", 1, ending)
		r.log.want(t, "its path", 1, "file="+r.path("a")+" ")
		r.log.want(t, "its issuer", 1, `issuer="CN=one,O=Example\\, Inc."`)
		r.log.want(t, "its end", 1, "next_update="+nextUpdate.UTC().Format(time.RFC3339))
		until(nextUpdate.Add(-time.Second))
		r.log.want(t, "late in the last quarter", 1, "level=WARN")
		until(nextUpdate.Add(2 * time.Second))
		r.log.want(t, "over", 1, over)
		until(nextUpdate.Add(time.Hour))
		r.Reload()
		synctest.Wait()
		r.log.want(t, "long over", 2, "level=WARN")

		// Another list is warned of again.
		replace(t, r.path("a"), newList(t, ca, 2, lifetime*9/10))
		remove(t, r.path("b"))
		r.next()
		r.log.want(t, "another list", 2, ending)
	})
}

func TestWarningOfEndlessList(t *testing.T) {
	bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
		ca := pki.NewCA("one")
		write(t, r.path("a"), bigList(t, ca, 0, time.Time{}))
		r.run()
		r.next()
		if len(r.Complete(ca.RawSubject)) != 1 {
			t.Fatal("the list was not read")
		}
		r.log.want(t, "without nextUpdate", 1, "has no nextUpdate")
	})
}

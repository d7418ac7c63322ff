package crldir_test

import (
	"crypto/x509"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/crldir"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func TestFilesOfAllKinds(t *testing.T) {
	bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
		one, two := pki.NewCA("one"), pki.NewCA("two")
		write(t, r.path("a"), newList(t, one, 1, 3*time.Hour))
		write(t, r.path("b.pem"), pemOf(newList(t, one, 3, time.Hour)))
		write(t, r.path("c.crl"), newList(t, one, 2, 2*time.Hour))
		write(t, r.path("d"), newList(t, one, 4, 2*time.Hour, deltaOn(3)))
		write(t, r.path("e"), newList(t, one, 5, time.Hour, deltaOn(3)))
		write(t, r.path("f"), newList(t, two, 6, 0))
		write(t, r.path(".hidden"), newList(t, two, 7, 0))
		write(t, r.path("sub/g"), newList(t, two, 8, 0))
		r.run()
		r.want("one", one, "3 2 1", "5 4")
		r.want("two", two, "6", "")
		r.want("another CA", pki.NewCA("three"), "", "")
		if err := r.Err(); err != nil {
			t.Error(err)
		}
		r.log.want(t, "nothing is wrong", 0, "level")
	})
}

func TestReady(t *testing.T) {
	bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
		write(t, r.path("a"), newList(t, pki.NewCA("one"), 1, 0))
		select {
		case <-r.Ready():
			t.Error("ready before Run")
		default:
		}
		if r.Err() == nil {
			t.Error("a folder that was not read has no error")
		}
		r.run()
		select {
		case <-r.Ready():
		default:
			t.Error("not ready after the first look")
		}
		if err := r.Err(); err != nil {
			t.Error(err)
		}
	})
}

func TestChanges(t *testing.T) {
	bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
		ca := pki.NewCA("one")
		write(t, r.path("a"), newList(t, ca, 1, time.Hour))
		r.run()
		r.want("start", ca, "1", "")

		before := r.Generation()
		r.next()
		r.wantChange("nothing", before, false)

		write(t, r.path("a"), newList(t, ca, 2, time.Hour))
		r.next()
		r.want("written in place", ca, "2", "")
		r.wantChange("written in place", before, true)

		before = r.Generation()
		replace(t, r.path("a"), newList(t, ca, 3, time.Hour))
		write(t, r.path("b"), newList(t, ca, 4, 2*time.Hour))
		r.next()
		r.want("replaced, and another", ca, "3 4", "")
		r.wantChange("replaced, and another", before, true)

		before = r.Generation()
		remove(t, r.path("a"))
		r.next()
		r.want("removed", ca, "4", "")
		r.wantChange("removed", before, true)

		before = r.Generation()
		if err := os.Rename(r.path("b"), r.path("c")); err != nil {
			t.Fatal(err)
		}
		r.next()
		r.want("renamed", ca, "4", "")

		replace(t, r.path("c"), newList(t, ca, 5, time.Hour, deltaOn(4)))
		r.next()
		r.want("complete to delta", ca, "", "5")
		r.wantChange("complete to delta", before, true)
	})
}

// All that tells one version of a file from another, alone.
func TestVersions(t *testing.T) {
	old := time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	touch := func(t *testing.T, path string, at time.Time) {
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	// One length for both lists: signatures differ in theirs.
	pair := func(ca *pki.Certificate) ([]byte, []byte) {
		one := newList(t, ca, 1, time.Hour)
		for {
			if two := newList(t, ca, 2, time.Hour); len(two) == len(one) {
				return one, two
			}
		}
	}
	for name, change := range map[string]func(t *testing.T, path string, data []byte){
		"inode": func(t *testing.T, path string, data []byte) {
			replace(t, path, data)
			touch(t, path, old)
		},
		"time of modification": func(t *testing.T, path string, data []byte) {
			write(t, path, data)
			touch(t, path, old.Add(time.Nanosecond))
		},
		"time of change": func(t *testing.T, path string, data []byte) {
			write(t, path, data)
			touch(t, path, old)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
				ca := pki.NewCA("one")
				one, two := pair(ca)
				write(t, r.path("a"), one)
				touch(t, r.path("a"), old)
				r.run()
				r.want("start", ca, "1", "")
				time.Sleep(time.Millisecond) // of the bubble's clock: nothing for the disk's
				change(t, r.path("a"), two)
				r.next()
				r.want("changed", ca, "2", "")
			})
		})
	}
}

// A file whose time is that of the look may be written to in the same tick.
func TestUnsettledFileIsReadAgain(t *testing.T) {
	bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
		ca := pki.NewCA("one")
		write(t, r.path("a"), newList(t, ca, 1, time.Hour))
		now := time.Now()
		if err := os.Chtimes(r.path("a"), now, now); err != nil {
			t.Fatal(err)
		}
		reads := crldir.CountReads(r.Folder)
		r.run()
		// At 0 s and at 2 s it is too young to be believed afterwards, at 4 s it is
		// old enough.
		for i, want := range []int64{1, 2, 3, 3} {
			if got := reads.Load(); got != want {
				t.Errorf("after look %d: read %d times, want %d", i+1, got, want)
			}
			r.next()
		}
	})
}

// The same list in other bytes of its file is the same list.
func TestSameListTwice(t *testing.T) {
	bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
		ca := pki.NewCA("one")
		der := newList(t, ca, 1, time.Hour)
		write(t, r.path("b"), der)
		write(t, r.path("c"), pemOf(der))
		write(t, r.path("d"), append([]byte("\n \r\n"), pemOf(der)...))
		other := pki.NewCA("one") // of the same name, with another key
		write(t, r.path("e"), newList(t, other, 2, 2*time.Hour))
		r.run()
		r.want("DER and PEM", ca, "1 2", "")

		before, list := r.Generation(), r.Complete(ca.RawSubject)[0]
		replace(t, r.path("b"), pemOf(der))
		r.next()
		r.want("DER to PEM", ca, "1 2", "")
		r.wantChange("DER to PEM", before, false)
		if r.Complete(ca.RawSubject)[0] != list {
			t.Error("a list that has not changed is another value")
		}
		remove(t, r.path("b"))
		r.next()
		r.want("one file less", ca, "1 2", "")
	})
}

// Reload has all files read again, once for several calls.
func TestReload(t *testing.T) {
	bubble(t, crldir.Options{Every: time.Hour}, func(t *testing.T, r *rig) {
		ca := pki.NewCA("one")
		write(t, r.path("a"), newList(t, ca, 1, time.Hour))
		reads := crldir.CountReads(r.Folder)
		r.run()
		write(t, r.path("b"), newList(t, ca, 2, time.Hour, func(l *x509.RevocationList) { l.ThisUpdate = time.Now() }))
		synctest.Wait()
		r.want("before", ca, "1", "")
		for range 3 {
			r.Reload()
		}
		synctest.Wait()
		r.want("after", ca, "2 1", "")
		if got := reads.Load(); got != 3 && got != 5 {
			t.Errorf("read %d times, want 3, or 5 where a look was under way at the last call", got)
		}
		before := reads.Load()
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if got := reads.Load(); got != before {
			t.Errorf("read %d times later on: a reload goes on", got-before)
		}
	})
}

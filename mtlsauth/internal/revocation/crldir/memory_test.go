package crldir_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/crldir"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func TestNoMemory(t *testing.T) {
	b := &budget{limit: 200_000}
	bubble(t, crldir.Options{Reserve: b.reserve, Release: b.release}, func(t *testing.T, r *rig) {
		ca := pki.NewCA("one")
		write(t, r.path("a"), bigList(t, ca, 50_000, time.Now().Add(lifetime)))
		reads := crldir.CountReads(r.Folder)
		r.run()
		if len(r.Complete(ca.RawSubject)) != 0 {
			t.Error("a list for which there is no memory was read")
		}
		for range 5 {
			r.next()
		}
		if got := reads.Load(); got != 1 {
			t.Errorf("read %d times within 10 s, want 1", got)
		}
		if used := b.usedNow(); used != 0 {
			t.Errorf("%d bytes are held for nothing", used)
		}
		b.set(1<<22, nil)
		time.Sleep(crldir.RetryEvery)
		synctest.Wait()
		if len(r.Complete(ca.RawSubject)) != 1 {
			t.Error("there is memory, and no list was read")
		}
		r.log.want(t, "once", 1, "level=WARN")
	})
}

func TestMemoryIsGivenBack(t *testing.T) {
	b := new(budget)
	bubble(t, crldir.Options{Reserve: b.reserve, Release: b.release}, func(t *testing.T, r *rig) {
		ca := pki.NewCA("one")
		held := func(what string) {
			t.Helper()
			want := 0
			for _, l := range r.Complete(ca.RawSubject) {
				want += l.Size()
			}
			// The parts in which it was asked for do not fit a size exactly.
			if got := b.usedNow(); got < want || got > want+1<<16 {
				t.Errorf("%s: %d bytes are held for lists of %d", what, got, want)
			}
			if want == 0 && b.usedNow() != 0 {
				t.Errorf("%s: %d bytes are held for nothing", what, b.usedNow())
			}
		}
		write(t, r.path("a"), newList(t, ca, 1, time.Hour))
		write(t, r.path("b"), newList(t, ca, 2, time.Hour))
		r.run()
		held("two lists")
		replace(t, r.path("b"), bigList(t, ca, 50_000, time.Now().Add(lifetime)))
		r.next()
		held("a large one")
		for range 20 {
			r.Reload()
			synctest.Wait()
		}
		held("read again")
		for i := range 20 {
			replace(t, r.path("a"), newList(t, ca, int64(i), time.Hour))
			r.next()
		}
		held("replaced")
		for range 20 {
			replace(t, r.path("a"), bytes.Repeat([]byte("x"), 100))
			r.next()
		}
		held("broken")
		remove(t, r.path("a"))
		remove(t, r.path("b"))
		r.next()
		held("removed")
	})
}

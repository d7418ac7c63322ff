package crldir_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/pkitest"
	"mtls-auth/mtlsauth/internal/revocation/crldir"
)

func TestBrokenFiles(t *testing.T) {
	ca := pkitest.NewCA("one")
	for name, data := range map[string][]byte{
		"empty":              nil,
		"text":               []byte("# CRLs go here\n"),
		"a certificate":      []byte(ca.PEM()),
		"two blocks":         append(pemOf([]byte("x")), pemOf([]byte("x"))...),
		"zeros":              make([]byte, 4096),
		"larger than may be": make([]byte, 1<<20+1),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, crldir.Options{MaxBytes: 1 << 20}, func(t *testing.T, r *rig) {
				good := newList(t, ca, 1, time.Hour)
				write(t, r.path("bad"), data)
				write(t, r.path("good"), good)
				r.run()
				r.want("beside it", ca, "1", "")
				if err := r.Err(); err != nil {
					t.Errorf("the folder: %v", err)
				}
				r.next()
				r.log.want(t, "once for a version", 1, "level=WARN")
				r.log.want(t, "once for a version", 1, "file="+r.path("bad"))
				replace(t, r.path("bad"), append(data, '?'))
				r.next()
				r.log.want(t, "the next version", 2, "file="+r.path("bad"))
				replace(t, r.path("bad"), newList(t, ca, 2, 2*time.Hour))
				r.next()
				r.want("mended", ca, "1 2", "")
			})
		})
	}
}

// What is too large is not read to find that out.
func TestLargeFileIsNotRead(t *testing.T) {
	bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
		write(t, r.path("a"), nil)
		if err := os.Truncate(r.path("a"), 1<<30); err != nil {
			t.Fatal(err)
		}
		reads := crldir.CountReads(r.Folder)
		r.run()
		if got := reads.Load(); got != 0 {
			t.Errorf("read %d times", got)
		}
		r.log.want(t, "too large", 1, "level=WARN")
	})
}

// What a file held stays in force while what it holds is of no use, until its
// own nextUpdate.
func TestBrokenVersion(t *testing.T) {
	bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
		ca := pkitest.NewCA("one")
		good := newList(t, ca, 1, time.Hour)
		write(t, r.path("a"), good)
		r.run()
		before := r.Generation()
		write(t, r.path("a"), good[:len(good)-1])
		r.next()
		r.want("cut off", ca, "1", "")
		r.wantChange("cut off", before, false)
		r.log.want(t, "cut off", 1, "stays in force")
		r.log.want(t, "cut off", 1, "next_update="+time.Now().Add(lifetime-time.Hour-2*time.Second).UTC().Format(time.RFC3339))

		remove(t, r.path("a"))
		r.next()
		r.want("removed", ca, "", "")
		r.wantChange("removed", before, true)

		write(t, r.path("a"), newList(t, ca, 2, time.Hour))
		r.next()
		write(t, r.path("a"), good[:10])
		r.next()
		time.Sleep(lifetime - time.Hour - 10*time.Second)
		synctest.Wait()
		r.want("before its nextUpdate", ca, "2", "")
		before = r.Generation()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		r.want("after its nextUpdate", ca, "", "")
		r.wantChange("after its nextUpdate", before, true)
	})
}

// What is not broken stays beyond its nextUpdate: who judges it says so.
func TestListPastItsTime(t *testing.T) {
	bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
		ca := pkitest.NewCA("one")
		write(t, r.path("a"), newList(t, ca, 1, lifetime+time.Hour))
		r.run()
		r.want("past its time", ca, "1", "")
	})
}

// Half of a file that is being written is nothing to write to the log about.
func TestFileThatIsBeingWritten(t *testing.T) {
	bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
		ca := pkitest.NewCA("one")
		good := newList(t, ca, 1, time.Hour)
		put := func(data []byte) {
			write(t, r.path("a"), data)
			now := time.Now()
			if err := os.Chtimes(r.path("a"), now, now); err != nil {
				t.Fatal(err)
			}
		}
		put(good[:100])
		r.run()
		r.next()
		put(good[:200])
		r.next()
		put(good)
		r.next()
		r.want("whole", ca, "1", "")
		r.log.want(t, "while it was written", 0, "level=WARN")

		put(good[:100])
		r.next()
		r.log.want(t, "left half written", 0, "level=WARN")
		r.next()
		r.log.want(t, "settled", 1, "level=WARN")
		r.want("settled", ca, "1", "")
	})
}

// A file that cannot be read may be readable later without any change to it.
func TestNoMemory(t *testing.T) {
	b := &budget{limit: 200_000}
	bubble(t, crldir.Options{Reserve: b.reserve}, func(t *testing.T, r *rig) {
		ca := pkitest.NewCA("one")
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
	bubble(t, crldir.Options{Reserve: b.reserve}, func(t *testing.T, r *rig) {
		ca := pkitest.NewCA("one")
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
		held("read anew")
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

// A look that hangs holds up nobody, and the folder says so.
func TestHangingLook(t *testing.T) {
	b := new(budget)
	bubble(t, crldir.Options{Reserve: b.reserve}, func(t *testing.T, r *rig) {
		ca := pkitest.NewCA("one")
		write(t, r.path("a"), newList(t, ca, 1, time.Hour))
		r.run()
		before := r.Generation()
		release := make(chan struct{})
		b.set(0, func() { <-release })
		write(t, r.path("a"), newList(t, ca, 2, time.Hour))
		r.next()
		r.want("hanging", ca, "1", "")
		if err := r.Err(); err != nil {
			t.Errorf("at first: %v", err)
		}
		time.Sleep(crldir.HangAfter)
		r.want("still hanging", ca, "1", "")
		r.wantChange("still hanging", before, false)
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), "not answered") {
			t.Errorf("still hanging: got error %v", err)
		}
		r.Reload()
		close(release)
		synctest.Wait()
		r.want("over", ca, "2", "")
		if err := r.Err(); err != nil {
			t.Errorf("over: %v", err)
		}
	})
}

// Run ends although a look hangs, and before the first reading Ready waits.
func TestEndDuringHangingLook(t *testing.T) {
	release := make(chan struct{})
	b := &budget{hook: func() { <-release }}
	synctest.Test(t, func(t *testing.T) {
		release = make(chan struct{})
		dir := t.TempDir()
		write(t, dir+"/a", newList(t, pkitest.NewCA("one"), 1, time.Hour))
		f := crldir.Open(dir, crldir.Options{Reserve: b.reserve})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); f.Run(ctx) }()
		synctest.Wait()
		select {
		case <-f.Ready():
			t.Error("ready during the first look")
		default:
		}
		cancel()
		<-done
		close(release)
		synctest.Wait()
		if got := b.usedNow(); got != 0 {
			t.Errorf("%d bytes are held after the end", got)
		}
		select {
		case <-f.Ready():
			t.Error("ready after a reading that was broken off")
		default:
		}
	})
}

func TestPanicWhileReading(t *testing.T) {
	b := &budget{hook: func() { panic("ouch") }}
	bubble(t, crldir.Options{Reserve: b.reserve}, func(t *testing.T, r *rig) {
		ca := pkitest.NewCA("one")
		write(t, r.path("a"), newList(t, ca, 1, time.Hour))
		r.run()
		r.want("a panic", ca, "", "")
		r.log.want(t, "a panic", 1, "level=ERROR")
		b.set(0, nil)
		time.Sleep(crldir.RetryEvery)
		synctest.Wait()
		r.want("after the panic", ca, "1", "")
	})
}

func TestReservationShrinks(t *testing.T) {
	for _, test := range []struct {
		parts       []int
		bytes       int
		kept, added int
	}{
		{nil, 10, 10, 10},
		{[]int{10}, 10, 10, 0},
		{[]int{4, 4}, 10, 10, 2},
		{[]int{4, 4, 4, 10}, 10, 10, 0},
		{[]int{10, 4, 4}, 10, 10, 0},
		{[]int{10, 3}, 11, 13, 0}, // parts go as a whole
		{[]int{4, 4, 4}, 6, 8, 0},
		{[]int{4, 4}, 0, 0, 0},
	} {
		if kept, added := crldir.Shrink(test.parts, test.bytes); kept != test.kept || added != test.added {
			t.Errorf("%v for %d bytes: %d kept, %d asked for; want %d and %d", test.parts, test.bytes, kept, added, test.kept, test.added)
		}
	}
}

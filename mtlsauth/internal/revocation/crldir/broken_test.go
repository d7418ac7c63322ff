package crldir_test

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/crldir"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func TestBrokenFiles(t *testing.T) {
	ca := pki.NewCA("one")
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
		ca := pki.NewCA("one")
		good := newList(t, ca, 1, time.Hour)
		write(t, r.path("a"), good)
		r.run()
		before := r.Generation()
		write(t, r.path("a"), good[:len(good)-1])
		r.next()
		r.want("cut off", ca, "1", "")
		r.wantChange("cut off", before, false)
		r.log.want(t, "cut off", 1, "stay in force")
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
		ca := pki.NewCA("one")
		write(t, r.path("a"), newList(t, ca, 1, lifetime+time.Hour))
		r.run()
		r.want("past its time", ca, "1", "")
	})
}

// Half of a file that is being written is nothing to write to the log about.
func TestFileThatIsBeingWritten(t *testing.T) {
	bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
		ca := pki.NewCA("one")
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
// A look that hangs holds up no request, and the folder says so.
// Run ends although a look hangs, and before the first reading Ready waits.

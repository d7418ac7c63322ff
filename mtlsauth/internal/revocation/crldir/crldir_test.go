package crldir_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/pkitest"
	"mtls-auth/mtlsauth/internal/revocation/crldir"
)

func TestFilesOfAllKinds(t *testing.T) {
	bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
		one, two := pkitest.NewCA("one"), pkitest.NewCA("two")
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
		r.want("nobody", pkitest.NewCA("three"), "", "")
		if err := r.Err(); err != nil {
			t.Error(err)
		}
		r.log.want(t, "nothing is wrong", 0, "level")
	})
}

func TestReady(t *testing.T) {
	bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
		write(t, r.path("a"), newList(t, pkitest.NewCA("one"), 1, 0))
		select {
		case <-r.Ready():
			t.Error("ready before Run")
		default:
		}
		if r.Err() == nil {
			t.Error("a folder that nobody has read has no error")
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
		ca := pkitest.NewCA("one")
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
	pair := func(ca *pkitest.Certificate) ([]byte, []byte) {
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
				ca := pkitest.NewCA("one")
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
		ca := pkitest.NewCA("one")
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
		ca := pkitest.NewCA("one")
		der := newList(t, ca, 1, time.Hour)
		write(t, r.path("b"), der)
		write(t, r.path("c"), pemOf(der))
		write(t, r.path("d"), append([]byte("\n \r\n"), pemOf(der)...))
		other := pkitest.NewCA("one") // of the same name, with another key
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

// mount makes files as the kubelet mounts them: names that lead through ..data,
// which is replaced in one step.
func mount(t *testing.T, dir, version string, files map[string][]byte) {
	t.Helper()
	for name, data := range files {
		write(t, filepath.Join(dir, "..2026_"+version, name), data)
		os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name))
	}
	old, _ := os.Readlink(filepath.Join(dir, "..data"))
	if err := os.Symlink("..2026_"+version, filepath.Join(dir, "..data_tmp")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	if old != "" {
		if err := os.RemoveAll(filepath.Join(dir, old)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMountedConfigMap(t *testing.T) {
	bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
		ca := pkitest.NewCA("one")
		mount(t, r.dir, "1", map[string][]byte{"a.crl": newList(t, ca, 1, time.Hour), "b.crl": newList(t, ca, 2, 2*time.Hour)})
		r.run()
		r.want("start", ca, "1 2", "")
		mount(t, r.dir, "2", map[string][]byte{"a.crl": newList(t, ca, 3, time.Hour)})
		r.next()
		r.want("replaced", ca, "3", "")
		r.log.want(t, "nothing is wrong", 0, "level=WARN")
	})
}

func TestAbsentFolder(t *testing.T) {
	bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
		ca := pkitest.NewCA("one")
		write(t, r.path("a"), newList(t, ca, 1, time.Hour))
		away := r.dir + "-away"
		rename := func(from, to string) {
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
		rename(r.dir, away)
		r.run()
		<-r.Ready()
		r.want("absent", ca, "", "")
		if err := r.Err(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("absent: got error %v, want %v", err, fs.ErrNotExist)
		}
		r.next()
		r.log.want(t, "absent", 1, "level=WARN")

		rename(away, r.dir)
		r.next()
		r.want("there", ca, "1", "")
		if err := r.Err(); err != nil {
			t.Errorf("there: %v", err)
		}

		before := r.Generation()
		rename(r.dir, away)
		r.next()
		r.want("gone again", ca, "1", "")
		r.wantChange("gone again", before, false)
		if err := r.Err(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("gone again: got error %v, want %v", err, fs.ErrNotExist)
		}
		r.log.want(t, "gone again", 2, "level=WARN")

		// A pipe in the folder's place does not hold up the look.
		if err := syscall.Mkfifo(r.dir, 0o600); err != nil {
			t.Fatal(err)
		}
		r.next()
		r.want("a pipe", ca, "1", "")
		if err := r.Err(); !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("a pipe: got error %v, want %v", err, syscall.ENOTDIR)
		}
		remove(t, r.dir)
		rename(away, r.dir)
		remove(t, r.path("a"))
		r.next()
		r.want("there and empty", ca, "", "")
	})
}

func TestTooManyEntries(t *testing.T) {
	bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
		write(t, r.path("target"), nil)
		for i := range crldir.MaxEntries {
			if err := os.Link(r.path("target"), r.path("a"+big.NewInt(int64(i)).String())); err != nil {
				t.Skip(err)
			}
		}
		r.run()
		if r.Err() == nil {
			t.Error("a folder with too many entries has no error")
		}
	})
}

// Nothing in the folder but regular files is opened.
func TestOddFiles(t *testing.T) {
	bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
		ca := pkitest.NewCA("one")
		write(t, r.path("z"), newList(t, ca, 1, time.Hour))
		if err := syscall.Mkfifo(r.path("pipe"), 0o600); err != nil {
			t.Fatal(err)
		}
		for name, target := range map[string]string{"to-pipe": "pipe", "device": "/dev/zero", "nowhere": "absent", "loop": "loop", "folder": "."} {
			if err := os.Symlink(target, r.path(name)); err != nil {
				t.Fatal(err)
			}
		}
		r.run()
		r.want("beside odd files", ca, "1", "")
		r.next()
		for _, name := range []string{"pipe", "to-pipe", "device", "loop"} {
			r.log.want(t, name, 1, "file="+r.path(name)+" ")
		}
		for _, name := range []string{"nowhere", "folder"} {
			r.log.want(t, name, 0, "file="+r.path(name)+" ")
		}
	})
}

// Nobody who waits for a reader of a pipe gets one.
func TestPipeIsNotOpened(t *testing.T) {
	dir := t.TempDir()
	pipe := dir + "/pipe"
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	opened := make(chan error)
	go func() {
		w, err := os.OpenFile(pipe, os.O_WRONLY, 0)
		opened <- err
		w.Close()
	}()
	time.Sleep(50 * time.Millisecond) // until that waits
	f := crldir.Open(dir, crldir.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); f.Run(ctx) }()
	<-f.Ready()
	cancel()
	<-done
	select {
	case err := <-opened:
		t.Errorf("the pipe was opened for reading; writer's error: %v", err)
	case <-time.After(50 * time.Millisecond):
		r, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		<-opened
	}
}

func TestReload(t *testing.T) {
	bubble(t, crldir.Options{Every: time.Hour}, func(t *testing.T, r *rig) {
		ca := pkitest.NewCA("one")
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

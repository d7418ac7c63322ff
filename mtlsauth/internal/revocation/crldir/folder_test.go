package crldir_test

import (
	"context"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/crldir"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

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
		ca := pki.NewCA("one")
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
		ca := pki.NewCA("one")
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

func TestOddFiles(t *testing.T) {
	bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
		ca := pki.NewCA("one")
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

package statedir_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/statedir"
)

func TestFolderRemoved(t *testing.T) {
	log, logger := newLog()
	d := open(t, statedir.Options{Log: logger})
	mustPut(t, d, statedir.OCSP, key(1), "one")
	if err := os.RemoveAll(d.Path()); err != nil {
		t.Fatal(err)
	}
	wantMiss(t, "gone", d, statedir.OCSP, key(1))
	mustPut(t, d, statedir.OCSP, key(2), "two")
	want(t, "made again", d, statedir.OCSP, key(2), "two")

	// Another one in its place is found by Run, unless others may write to it.
	if err := os.Rename(d.Path(), d.Path()+"-away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(d.Path(), 0o700); err != nil {
		t.Fatal(err)
	}
	look(d)
	wantMiss(t, "replaced", d, statedir.OCSP, key(2))
	mustPut(t, d, statedir.OCSP, key(3), "three")
	if got := has(d, statedir.OCSP, 3); got != "3" {
		t.Errorf("replaced: the folder has %q", got)
	}
	log.want(t, "so far", 0, "level=WARN")
	if err := os.RemoveAll(d.Path()); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(d.Path(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(d.Path(), 0o777); err != nil {
		t.Fatal(err)
	}
	look(d)
	if err := put(d, statedir.OCSP, key(4), "four", statedir.Meta{}); err == nil || has(d, statedir.OCSP, 4) != "" {
		t.Errorf("a folder to which others may write: got error %v and entry %q", err, has(d, statedir.OCSP, 4))
	}
	log.want(t, "a folder to which others may write", 1, "level=WARN")
}

func TestWriteFails(t *testing.T) {
	log, logger := newLog()
	d := open(t, statedir.Options{Log: logger})
	mustPut(t, d, statedir.CRL, key(1), "old")
	for _, during := range []string{"Write", "Commit"} {
		w, err := d.Create(statedir.CRL, key(1), statedir.Meta{})
		if err != nil {
			t.Fatal(err)
		}
		if during == "Write" {
			w.File().Close()
		}
		_, err = io.WriteString(w, "new")
		if (err != nil) != (during == "Write") {
			t.Errorf("%s: Write's error is %v", during, err)
		}
		w.File().Close()
		if err := w.Commit(time.Now()); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: got error %v, want %v", during, err, fs.ErrClosed)
		}
		want(t, during, d, statedir.CRL, key(1), "old")
		if got := names(t, d); len(got) != 1 {
			t.Errorf("%s: left over: %q", during, got)
		}
	}
	log.want(t, "two errors", 1, "level=WARN")
	mustPut(t, d, statedir.CRL, key(1), "new")
	log.want(t, "no error", 1, "level=INFO")
	mustPut(t, d, statedir.CRL, key(1), "newer")
	log.want(t, "no error again", 1, "level=INFO")
}

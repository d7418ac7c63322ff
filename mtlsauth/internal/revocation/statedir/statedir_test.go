package statedir_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/statedir"
)

func TestRoundTrip(t *testing.T) {
	d := open(t, statedir.Options{})
	fetched := time.Now().Add(-time.Minute)
	for name, body := range map[string]string{
		"an answer": "answer", "nothing": "", "a CRL": strings.Repeat("0123456789abcdef", 1<<16), "one byte": "x",
	} {
		t.Run(name, func(t *testing.T) {
			for _, kind := range []statedir.Kind{statedir.OCSP, statedir.CRL} {
				meta := statedir.Meta{Fetched: fetched, ETag: `W/"a"`, LastModified: "Mon, 02 Jan 2006 15:04:05 GMT"}
				if err := put(d, kind, key(1), body, meta); err != nil {
					t.Fatal(err)
				}
				got, entry, err := get(d, kind, key(1))
				if err != nil {
					t.Fatal(err)
				}
				if got != body {
					t.Errorf("got %d bytes, want the %d that were written", len(got), len(body))
				}
				if !entry.Fetched.Equal(fetched) || entry.ETag != meta.ETag || entry.LastModified != meta.LastModified {
					t.Errorf("got %v, want %v", entry, meta)
				}
			}
		})
	}
	// Bytes may come and go in any parts.
	w, err := d.Create(statedir.CRL, key(2), statedir.Meta{})
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if _, err := w.Write([]byte("0123456789")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(time.Now()); err != nil {
		t.Fatal(err)
	}
	_, content, err := d.Read(statedir.CRL, key(2))
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	if err := iotest.TestReader(content, []byte(strings.Repeat("0123456789", 1000))); err != nil {
		t.Error(err)
	}
}

func TestMisses(t *testing.T) {
	d := open(t, statedir.Options{})
	wantMiss(t, "empty", d, statedir.OCSP, key(1))
	mustPut(t, d, statedir.OCSP, key(1), "one")
	wantMiss(t, "another key", d, statedir.OCSP, key(2))
	wantMiss(t, "another kind", d, statedir.CRL, key(1))
}

// Until Commit, and after Abort, what was there is there.
func TestCommitIsOneStep(t *testing.T) {
	d := open(t, statedir.Options{})
	mustPut(t, d, statedir.CRL, key(1), "old")
	write := func() *statedir.Writer {
		w, err := d.Create(statedir.CRL, key(1), statedir.Meta{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, "new"); err != nil {
			t.Fatal(err)
		}
		want(t, "while writing", d, statedir.CRL, key(1), "old")
		return w
	}
	w := write()
	w.Abort()
	w.Abort()
	if err := w.Commit(time.Now()); err == nil {
		t.Error("what was aborted was committed")
	}
	want(t, "aborted", d, statedir.CRL, key(1), "old")
	w = write()
	_, old, err := d.Read(statedir.CRL, key(1))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := w.Commit(time.Now()); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if err := w.Commit(time.Now()); err == nil {
		t.Error("committed twice")
	}
	want(t, "committed", d, statedir.CRL, key(1), "new")
	if body, err := io.ReadAll(old); err != nil || string(body) != "old" {
		t.Errorf("who had begun to read got %q and error %v", body, err)
	}
	if got := names(t, d); len(got) != 1 {
		t.Errorf("left over: %q", got)
	}
	if bytes, files := d.Counted(); bytes != statedir.Overhead+3 || files != 1 {
		t.Errorf("counted %d bytes and %d files", bytes, files)
	}
}

func TestFilesAreOurs(t *testing.T) {
	d := open(t, statedir.Options{})
	w, err := d.Create(statedir.CRL, key(1), statedir.Meta{})
	if err != nil {
		t.Fatal(err)
	}
	modes := func(what string) {
		for _, name := range names(t, d) {
			info, err := os.Stat(filepath.Join(d.Path(), name))
			if err != nil || info.Mode() != 0o600 {
				t.Errorf("%s: mode %v, error %v; want 0600", what, info.Mode(), err)
			}
		}
	}
	modes("while writing")
	if err := w.Commit(time.Now()); err != nil {
		t.Fatal(err)
	}
	modes("committed")
}

// Validators without room are left out, the bytes are not.
func TestLongValidators(t *testing.T) {
	d := open(t, statedir.Options{})
	longest := strings.Repeat("e", statedir.MaxValidator)
	for _, test := range []struct{ etag, want string }{{longest, longest}, {longest + "e", ""}, {strings.Repeat("e", 1<<16+1), ""}} {
		if err := put(d, statedir.CRL, key(1), "crl", statedir.Meta{ETag: test.etag, LastModified: "then"}); err != nil {
			t.Fatal(err)
		}
		body, entry, err := get(d, statedir.CRL, key(1))
		if err != nil || body != "crl" || entry.ETag != test.want || entry.LastModified != "then" {
			t.Errorf("ETag of %d bytes: got %q, %v and error %v", len(test.etag), body, entry, err)
		}
	}
}

// An entry of the future is one of unknown age.
func TestFetchedInTheFuture(t *testing.T) {
	d := open(t, statedir.Options{})
	for _, ahead := range []time.Duration{time.Minute, 24 * 365 * time.Hour} {
		if err := put(d, statedir.OCSP, key(1), "answer", statedir.Meta{Fetched: time.Now().Add(ahead)}); err != nil {
			t.Fatal(err)
		}
		_, entry, err := get(d, statedir.OCSP, key(1))
		if err != nil || !entry.Fetched.IsZero() {
			t.Errorf("fetched in %v: got %v and error %v, want the zero time", ahead, entry.Fetched, err)
		}
	}
}

// The folder is gone: the next entry makes it again.
// An error of the disk leaves what was there, nothing half, and one line in the
// log.

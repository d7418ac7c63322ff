package statedir_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/statedir"
)

// total is what our files in the folder take.
func total(t *testing.T, d *statedir.Dir) (bytes int64, files int) {
	t.Helper()
	for _, name := range names(t, d) {
		info, err := os.Lstat(filepath.Join(d.Path(), name))
		if err != nil {
			t.Fatal(err)
		}
		bytes += info.Size()
		files++
	}
	return bytes, files
}

// Nothing has to run for the folder to stay in its bounds, and those that were
// fetched first go first.
func TestBounds(t *testing.T) {
	const body = 1000
	size := int64(statedir.Overhead + body)
	for name, o := range map[string]statedir.Options{
		"by files": {MaxFiles: 4, MaxBytes: 1 << 20},
		"by bytes": {MaxFiles: 1000, MaxBytes: 4*size + size/2},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, o)
			for i := byte(1); i <= 4; i++ {
				mustPut(t, d, statedir.OCSP, key(i), strings.Repeat("x", body))
				age(t, pathOf(d, statedir.OCSP, i), 10*24*time.Hour-time.Duration(i)*time.Hour)
			}
			if got := has(d, statedir.OCSP, 9); got != "1 2 3 4" {
				t.Fatalf("in the bounds: the folder has %q", got)
			}
			mustPut(t, d, statedir.OCSP, key(5), strings.Repeat("x", body))
			if got := has(d, statedir.OCSP, 9); got != "3 4 5" && got != "2 3 4 5" {
				t.Errorf("over the bounds: the folder has %q", got)
			}
			for i := range 100 {
				mustPut(t, d, statedir.OCSP, key(byte(10+i)), strings.Repeat("x", body))
				if bytes, files := total(t, d); bytes > o.MaxBytes || files > o.MaxFiles {
					t.Fatalf("the folder has %d bytes in %d files", bytes, files)
				}
				want(t, "the latest", d, statedir.OCSP, key(byte(10+i)), strings.Repeat("x", body))
			}
		})
	}
}

// What is replaced does not count twice.
func TestReplacedEntriesAreCountedOnce(t *testing.T) {
	d := open(t, statedir.Options{MaxFiles: 2, MaxBytes: 3 * 2048})
	mustPut(t, d, statedir.OCSP, key(1), strings.Repeat("x", 1000))
	for i := range 20 {
		mustPut(t, d, statedir.OCSP, key(2), strings.Repeat("x", 50*i))
		bytes, files := d.Counted()
		if b, f := total(t, d); bytes != b || files != f {
			t.Fatalf("counted %d bytes in %d files, there are %d in %d", bytes, files, b, f)
		}
	}
	want(t, "the other one", d, statedir.OCSP, key(1), strings.Repeat("x", 1000))
}

func TestTooLarge(t *testing.T) {
	d := open(t, statedir.Options{MaxBytes: statedir.Overhead + 1000})
	mustPut(t, d, statedir.CRL, key(1), strings.Repeat("x", 1000))
	if err := put(d, statedir.CRL, key(2), strings.Repeat("x", 1001), statedir.Meta{}); !errors.Is(err, statedir.ErrTooLarge) {
		t.Errorf("got error %v, want %v", err, statedir.ErrTooLarge)
	}
	// In parts, the one that is too much says so, and it is final.
	w, err := d.Create(statedir.CRL, key(2), statedir.Meta{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		_, err := io.WriteString(w, strings.Repeat("x", 600))
		if (err != nil) != (i > 0) || err != nil && !errors.Is(err, statedir.ErrTooLarge) {
			t.Errorf("part %d: got error %v", i, err)
		}
	}
	if err := w.Commit(time.Now()); !errors.Is(err, statedir.ErrTooLarge) {
		t.Errorf("Commit: got error %v, want %v", err, statedir.ErrTooLarge)
	}
	if got := names(t, d); len(got) > 1 {
		t.Errorf("left over: %q", got)
	}
}

// Writers at work count, and where they fill the folder the next one fails.
func TestWritersFillTheFolder(t *testing.T) {
	d := open(t, statedir.Options{MaxBytes: 10_000})
	var writers []*statedir.Writer
	var failed error
	for i := byte(1); i <= 10 && failed == nil; i++ {
		w, err := d.Create(statedir.CRL, key(i), statedir.Meta{})
		if err == nil {
			_, err = io.WriteString(w, strings.Repeat("x", 3000))
			writers = append(writers, w)
		}
		failed = err
		if bytes, _ := total(t, d); bytes > 10_000 {
			t.Fatalf("the folder has %d bytes", bytes)
		}
	}
	if failed == nil || len(writers) < 3 || len(writers) > 4 {
		t.Fatalf("%d writers, and error %v", len(writers), failed)
	}
	if errors.Is(failed, statedir.ErrTooLarge) {
		t.Errorf("an entry that would fit otherwise is %v", failed)
	}
	for _, w := range writers {
		w.Abort()
	}
	mustPut(t, d, statedir.CRL, key(1), strings.Repeat("x", 3000))
}

// What a writer left behind that did not end goes when it is old; what may still be
// written does not.
func TestLeftOverFiles(t *testing.T) {
	leave := func(t *testing.T, d *statedir.Dir, size int, old time.Duration) string {
		path := filepath.Join(d.Path(), ".tmp-"+strings.Repeat("0", 31)+string('0'+byte(len(names(t, d)))))
		write(t, path, make([]byte, size))
		age(t, path, old)
		return path
	}
	there := func(path string) bool { _, err := os.Lstat(path); return err == nil }

	d := open(t, statedir.Options{MaxBytes: 10_000})
	ancient := leave(t, d, 1000, statedir.TempAge+time.Minute)
	ahead := leave(t, d, 1000, -statedir.TempAge-time.Minute)
	live := leave(t, d, 1000, time.Minute)
	look(d)
	for path, want := range map[string]bool{ancient: false, ahead: false, live: true} {
		if there(path) != want {
			t.Errorf("%s: there %t, want %t", path, !want, want)
		}
	}
}

// A folder that was filled under wider bounds is cut down at once.
func TestNarrowerBounds(t *testing.T) {
	dir := t.TempDir()
	wide, err := statedir.Open(dir, "x", statedir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := byte(1); i <= 9; i++ {
		mustPut(t, wide, statedir.OCSP, key(i), "answer")
		age(t, pathOf(wide, statedir.OCSP, i), time.Duration(10-i)*time.Hour)
	}
	narrow, err := statedir.Open(dir, "x", statedir.Options{MaxFiles: 3})
	if err != nil {
		t.Fatal(err)
	}
	if got := has(narrow, statedir.OCSP, 9); got != "7 8 9" {
		t.Errorf("the folder has %q, want the three last used", got)
	}
	if _, err := statedir.Open(dir, "x", statedir.Options{MaxFiles: -1}); err == nil {
		t.Error("a negative bound was taken")
	}
}

// A process with wider bounds may write what is too large here.
func TestEntryOfWiderBounds(t *testing.T) {
	dir := t.TempDir()
	narrow, err := statedir.Open(dir, "x", statedir.Options{MaxBytes: 5000})
	if err != nil {
		t.Fatal(err)
	}
	wide, err := statedir.Open(dir, "x", statedir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, wide, statedir.CRL, key(1), strings.Repeat("x", 5000-statedir.Overhead))
	mustPut(t, wide, statedir.CRL, key(2), strings.Repeat("x", 5001-statedir.Overhead))
	want(t, "as large as may be", narrow, statedir.CRL, key(1), strings.Repeat("x", 5000-statedir.Overhead))
	wantMiss(t, "larger", narrow, statedir.CRL, key(2))
}

package statedir_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/revocation/statedir"
)

// stored returns the path and the bytes of an entry.
func stored(t *testing.T, d *statedir.Dir, kind statedir.Kind, n byte, body string) (string, []byte) {
	t.Helper()
	mustPut(t, d, kind, key(n), body)
	path := filepath.Join(d.Path(), statedir.FileName(kind, key(n)))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, data
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// wantDropped is that what was wrong is a miss and gone.
func wantDropped(t *testing.T, what string, d *statedir.Dir, path string) {
	t.Helper()
	wantMiss(t, what, d, statedir.OCSP, key(1))
	if _, err := os.Lstat(path); err == nil {
		t.Errorf("%s: the file is still there", what)
	}
}

func TestEveryByteFlipped(t *testing.T) {
	d := open(t, statedir.Options{})
	path, good := stored(t, d, statedir.OCSP, 1, "an answer of a responder")
	for i := range good {
		for _, bit := range []byte{1, 0x80} {
			bad := bytes.Clone(good)
			bad[i] ^= bit
			write(t, path, bad)
			wantDropped(t, "byte "+string(good[i]), d, path)
		}
	}
	write(t, path, good)
	want(t, "as it was", d, statedir.OCSP, key(1), "an answer of a responder")
}

func TestEveryLength(t *testing.T) {
	d := open(t, statedir.Options{})
	path, good := stored(t, d, statedir.OCSP, 1, "an answer of a responder")
	for n := range good {
		write(t, path, good[:n])
		wantDropped(t, "cut off", d, path)
	}
	for _, more := range []int{1, 1 << 20} {
		write(t, path, append(bytes.Clone(good), make([]byte, more)...))
		wantDropped(t, "longer", d, path)
	}
	// After a power cut, the blocks of the end may be those of nothing.
	for n := range good {
		bad := append(bytes.Clone(good[:n]), make([]byte, len(good)-n)...)
		if !bytes.Equal(bad, good) {
			write(t, path, bad)
			wantDropped(t, "zeros", d, path)
		}
	}
}

// Who reads exactly as many bytes as the entry has, and not its end, does not
// get the last of them if the checksum does not fit.
func TestChecksumBeforeLastBytes(t *testing.T) {
	d := open(t, statedir.Options{})
	path, data := stored(t, d, statedir.OCSP, 1, strings.Repeat("x", 1000))
	data[statedir.HeaderSize+1] ^= 1
	write(t, path, data)
	entry, err := d.Read(statedir.OCSP, key(1))
	if err != nil {
		t.Fatal(err)
	}
	defer entry.Body.Close()
	all := make([]byte, entry.Size)
	if n, err := io.ReadFull(entry.Body, all); err == nil || n == len(all) {
		t.Errorf("got %d bytes that nobody wrote, and error %v", n, err)
	}
}

// A file that shrinks while it is read, which no writer here does.
func TestShrinkingFile(t *testing.T) {
	d := open(t, statedir.Options{})
	path, data := stored(t, d, statedir.OCSP, 1, "an answer of a responder")
	entry, err := d.Read(statedir.OCSP, key(1))
	if err != nil {
		t.Fatal(err)
	}
	defer entry.Body.Close()
	if err := os.Truncate(path, int64(len(data)-1)); err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(entry.Body); err == nil {
		t.Errorf("got %q and no error", body)
	}
	wantMiss(t, "afterwards", d, statedir.OCSP, key(1))
}

// Who finds an entry damaged does not remove the one that has taken its place.
func TestDamagedEntryIsReplaced(t *testing.T) {
	d := open(t, statedir.Options{})
	path, data := stored(t, d, statedir.OCSP, 1, "an answer of a responder")
	data[len(data)-1] ^= 1
	write(t, path, data)
	entry, err := d.Read(statedir.OCSP, key(1))
	if err != nil {
		t.Fatal(err)
	}
	defer entry.Body.Close()
	mustPut(t, d, statedir.OCSP, key(1), "a later one")
	if body, err := io.ReadAll(entry.Body); err == nil {
		t.Errorf("got %q and no error", body)
	}
	want(t, "afterwards", d, statedir.OCSP, key(1), "a later one")
}

func pathOf(d *statedir.Dir, kind statedir.Kind, n byte) string {
	return filepath.Join(d.Path(), statedir.FileName(kind, key(n)))
}

// What has the name of an entry and is no regular file of ours is a miss that
// hangs nothing, and stays; a new entry takes its place where it can.
// inBackground runs f and closes what it returns when that is over.
// Files with names that nothing here makes are nobody's business here.

package statedir_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/statedir"
)

func key(n byte) statedir.Key { return statedir.Key{n, 31: n} }

func open(t *testing.T, o statedir.Options) *statedir.Dir {
	t.Helper()
	d, err := statedir.Open(t.TempDir(), "mtls-auth", o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// put stores an entry, or returns the first error on the way.
func put(d *statedir.Dir, kind statedir.Kind, key statedir.Key, body string, m statedir.Meta) error {
	w, err := d.Create(kind, key, m)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, body); err != nil {
		w.Abort()
		return err
	}
	return w.Commit(m.Fetched)
}

func mustPut(t *testing.T, d *statedir.Dir, kind statedir.Kind, key statedir.Key, body string) {
	t.Helper()
	if err := put(d, kind, key, body, statedir.Meta{Fetched: time.Now()}); err != nil {
		t.Fatal(err)
	}
}

// get reads an entry to its end.
func get(d *statedir.Dir, kind statedir.Kind, key statedir.Key) (string, statedir.Meta, error) {
	m, content, err := d.Read(kind, key)
	if err != nil {
		return "", m, err
	}
	defer content.Close()
	body, err := io.ReadAll(content)
	return string(body), m, err
}

func want(t *testing.T, what string, d *statedir.Dir, kind statedir.Kind, key statedir.Key, body string) {
	t.Helper()
	got, _, err := get(d, kind, key)
	if err != nil || got != body {
		t.Errorf("%s: got %q and error %v, want %q", what, got, err, body)
	}
}

func wantMiss(t *testing.T, what string, d *statedir.Dir, kind statedir.Kind, key statedir.Key) {
	t.Helper()
	if body, _, err := get(d, kind, key); !errors.Is(err, fs.ErrNotExist) || body != "" {
		t.Errorf("%s: got %q and error %v, want a miss", what, body, err)
	}
}

// has is which of the entries 1 to n of a kind there are.
func has(d *statedir.Dir, kind statedir.Kind, n byte) string {
	var out []string
	for i := byte(1); i <= n; i++ {
		if _, err := os.Lstat(filepath.Join(d.Path(), statedir.FileName(kind, key(i)))); err == nil {
			out = append(out, string('0'+i))
		}
	}
	return strings.Join(out, " ")
}

func names(t *testing.T, d *statedir.Dir) []string {
	t.Helper()
	entries, err := os.ReadDir(d.Path())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// age makes a file one that was last used so long ago.
func age(t *testing.T, path string, by time.Duration) {
	t.Helper()
	at := time.Now().Add(-by)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// look has Run look once.
func look(d *statedir.Dir) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	d.Run(ctx)
}

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func newLog() (*logBuffer, *slog.Logger) {
	b := new(logBuffer)
	return b, slog.New(slog.NewTextHandler(b, nil))
}

func (b *logBuffer) want(t *testing.T, what string, times int, part string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if got := strings.Count(b.buf.String(), part); got != times {
		t.Errorf("%s: the log says %q %d times, want %d:\n%s", what, part, got, times, b.buf.String())
	}
}

// pathOf is where an entry lies.
func pathOf(d *statedir.Dir, kind statedir.Kind, n byte) string {
	return filepath.Join(d.Path(), statedir.FileName(kind, key(n)))
}

// TestDamagedFiles: what is not an entry is a miss, and the next one takes its
// place. Bytes that are not those that were written are for the reader to see.
func TestDamagedFiles(t *testing.T) {
	d := open(t, statedir.Options{})
	for name, content := range map[string]string{
		"empty": "", "one line": "etag\n", "no line break": strings.Repeat("x", 1<<20), "zeros": string(make([]byte, 1<<20)),
	} {
		if err := os.WriteFile(pathOf(d, statedir.OCSP, 1), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		wantMiss(t, name, d, statedir.OCSP, key(1))
		mustPut(t, d, statedir.OCSP, key(1), "new")
		want(t, name, d, statedir.OCSP, key(1), "new")
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

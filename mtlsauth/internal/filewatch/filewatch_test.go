package filewatch_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/filewatch"
)

const limit = 16

func write(t *testing.T, path, text string, at time.Time) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path+".new"); err != nil {
		t.Fatal(err)
	}
	rename(t, path+".new", path)
}

func wantRead(t *testing.T, when string, f *filewatch.File, force bool, want string, wantChanged bool) {
	t.Helper()
	data, changed, err := f.Read(force)
	if err != nil || changed != wantChanged || changed && string(data) != want {
		t.Errorf("%s: got %q, changed %v, error %v; want %q, %v", when, data, changed, err, want, wantChanged)
	}
}

var old = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)

// Each row is one thing alone that tells two versions of a file apart. In the
// bubble the clock says the year 2000, so that the times of the real disk are
// not those of a file that was changed just now.
func TestChange(t *testing.T) {
	for _, row := range []struct {
		name    string
		do      func(t *testing.T, path string)
		changed bool
	}{
		{name: "nothing", do: func(*testing.T, string) {}},
		{name: "size", changed: true, do: func(t *testing.T, path string) { write(t, path, "longer", old) }},
		{name: "time of modification", changed: true, do: func(t *testing.T, path string) { write(t, path, "two", old.Add(1)) }},
		{name: "time of change", changed: true, do: func(t *testing.T, path string) {
			for range 200 { // longer than a tick of the disk's clock
				write(t, path, "two", old)
			}
		}},
		{name: "inode", changed: true, do: func(t *testing.T, path string) {
			write(t, path+".new", "two", old)
			rename(t, path+".new", path)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "file")
				write(t, path, "one", old)
				f := filewatch.New(path, limit)
				wantRead(t, "first", f, false, "one", true)
				row.do(t, path)
				data, _, err := filewatch.ReadFile(path, limit)
				if err != nil {
					t.Fatal(err)
				}
				wantRead(t, "then", f, false, string(data), row.changed)
				wantRead(t, "again", f, false, "", false)
				wantRead(t, "with force", f, true, string(data), true)
				f.Again()
				wantRead(t, "after Again", f, false, string(data), true)
			})
		})
	}
}

// A mounted ConfigMap or Secret is replaced by renaming a link in the path.
func TestKubernetesMount(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "..1", "key"), "one", old)
	write(t, filepath.Join(dir, "..2", "key"), "two", old)
	link(t, "..1", filepath.Join(dir, "..data"))
	link(t, filepath.Join("..data", "key"), filepath.Join(dir, "key"))
	f := filewatch.New(filepath.Join(dir, "key"), limit)
	wantRead(t, "first", f, false, "one", true)
	link(t, "..2", filepath.Join(dir, "..data"))
	wantRead(t, "replaced", f, false, "two", true)
}

// A second write in the tick of the first looks the same from outside.
func TestJustChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "file")
		write(t, path, "one", time.Now())
		f := filewatch.New(path, limit)
		for _, step := range []struct {
			name    string
			settled bool
		}{{"at 0 s", false}, {"at 2 s", false}, {"at 4 s", true}} {
			wantRead(t, step.name, f, false, "one", true)
			if got := f.Settled(); got != step.settled {
				t.Errorf("%s: settled is %v", step.name, got)
			}
			time.Sleep(2 * time.Second)
		}
		wantRead(t, "at 6 s", f, false, "", false)
	})
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("limit"), strings.Repeat("x", limit), old)
	write(t, at("larger"), strings.Repeat("x", limit+1), old)
	if err := syscall.Mkfifo(at("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	link(t, at("pipe"), at("to-pipe"))
	link(t, "/dev/zero", at("device"))
	for _, row := range []struct {
		name string
		err  error // nil: not one of a kind
		text string
	}{
		{name: "larger", text: "more than 16 bytes"},
		{name: "pipe", err: filewatch.ErrNotRegular},
		{name: "to-pipe", err: filewatch.ErrNotRegular},
		{name: "device", err: filewatch.ErrNotRegular},
		{name: ".", err: filewatch.ErrNotRegular},
		{name: "absent", err: fs.ErrNotExist},
		{name: "limit/below", err: syscall.ENOTDIR},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := filewatch.New(at(row.name), limit)
			for range 2 { // an error does not become "unchanged"
				data, changed, err := f.Read(false)
				if err == nil || row.err != nil && !errors.Is(err, row.err) || !strings.Contains(err.Error(), row.text) {
					t.Errorf("got %q, changed %v, error %v; want the error %v %q", data, changed, err, row.err, row.text)
				}
			}
		})
	}
	wantRead(t, "as large as it may be", filewatch.New(at("limit"), limit), false, strings.Repeat("x", limit), true)
}

// A writer that waits for a reader of a pipe gets none.
func TestPipeIsNotOpened(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	opened := make(chan struct{})
	go func() {
		defer close(opened)
		w, err := os.OpenFile(pipe, os.O_WRONLY, 0)
		if err == nil {
			w.Close()
		}
	}()
	for range 20 {
		filewatch.ReadFile(pipe, limit)
		filewatch.ReadDir(pipe, limit)
		time.Sleep(5 * time.Millisecond)
	}
	select {
	case <-opened:
		t.Error("the pipe was opened")
	default:
	}
	r, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	<-opened
	r.Close()
}

// A file that becomes a pipe between the look and the opening holds up nothing.
func TestFileBecomesPipe(t *testing.T) {
	dir := t.TempDir()
	path, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "regular"), "one", old)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				link(t, pipe, path)
				link(t, filepath.Join(dir, "regular"), path)
			}
		}
	}()
	for range 20_000 {
		data, _, err := filewatch.ReadFile(path, limit)
		if err == nil && string(data) != "one" {
			t.Fatalf("read %q", data)
		}
		if err != nil && !errors.Is(err, filewatch.ErrNotRegular) && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	close(stop)
	<-stopped
}

func TestReadDir(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b", "a", "c"} {
		write(t, filepath.Join(dir, name), "", old)
	}
	entries, err := filewatch.ReadDir(dir, 3)
	if err != nil || len(entries) != 3 || entries[0].Name() != "a" || entries[2].Name() != "c" {
		t.Errorf("got %v, error %v", entries, err)
	}
	if _, err := filewatch.ReadDir(dir, 2); err == nil {
		t.Error("three entries where two are the limit")
	}
	if _, err := filewatch.ReadDir(filepath.Join(dir, "a"), 3); !filewatch.IsAbsent(err) {
		t.Errorf("of a file: got error %v", err)
	}
	if entries, err := filewatch.ReadDir(t.TempDir(), 3); err != nil || len(entries) != 0 {
		t.Errorf("of an empty folder: got %v, error %v", entries, err)
	}
}

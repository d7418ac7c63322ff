package consumer_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
)

func write(t *testing.T, path, text string, changed time.Time) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, changed, changed); err != nil {
		t.Fatal(err)
	}
}

// aliceHas is a file that maps a name to alice.
func aliceHas(name string) string {
	return "consumers: [{username: alice, mtls_auth_credentials: [{subject_name: " + name + "}]}]\n"
}

// maps reports whether the credentials in force map the name.
func maps(t *testing.T, f *consumer.File, name string) bool {
	t.Helper()
	m := &consumer.Matcher{Lookups: newLookups()}
	subject := consumer.Subject{Names: named(name), Credentials: []*consumer.Credentials{f.Current()}}
	got, err := m.Match(t.Context(), subject, consumer.Ask{Directory: town(), Now: start})
	if err != nil {
		t.Fatal(err)
	}
	return got.Consumer != nil
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kong.yaml")
	f := consumer.NewFile(path)
	if f.Current() != nil || f.Path() != path {
		t.Errorf("got %v, %q before the first reading", f.Current(), f.Path())
	}
	for range 2 {
		if err := f.Refresh(t.Context(), false); !errors.Is(err, fs.ErrNotExist) || f.Current() != nil {
			t.Fatalf("no file: got %v, %v", f.Current(), err)
		}
	}
	write(t, path, aliceHas("one"), start)
	if err := f.Refresh(t.Context(), false); err != nil || !maps(t, f, "one") || maps(t, f, "two") {
		t.Fatalf("the first version: %v", err)
	}
	first := f.Current()
	same := func(what string, force bool) {
		t.Helper()
		if err := f.Refresh(t.Context(), force); err != nil || f.Current() != first {
			t.Errorf("%s: %v, the pointer changed: %v", what, err, f.Current() != first)
		}
	}
	same("unchanged", false)
	same("unchanged, forced", true)
	write(t, path, aliceHas("one"), start.Add(time.Second))
	same("touched", false)
	write(t, path, "# a comment\n"+aliceHas("one"), start.Add(2*time.Second))
	same("another text that says the same", false)

	broken := map[string]string{
		"half a file":   aliceHas("two")[:40],
		"empty":         "",
		"a conflict":    "mtls_auth_credentials: [{subject_name: a, consumer: alice}, {subject_name: a, consumer: bob}]",
		"another shape": "users: []",
	}
	now := start
	for what, text := range broken {
		now = now.Add(time.Minute)
		write(t, path, text, now)
		for range 3 {
			err := f.Refresh(t.Context(), false)
			if err == nil || !strings.Contains(err.Error(), path) || f.Current() != first {
				t.Errorf("%s: got %v, the pointer changed: %v", what, err, f.Current() != first)
			}
		}
	}
	write(t, path, aliceHas("one"), now)
	same("mended to what it was", false)

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := f.Refresh(t.Context(), false); !errors.Is(err, fs.ErrNotExist) || f.Current() != first {
		t.Errorf("removed: got %v, the pointer changed: %v", err, f.Current() != first)
	}
	write(t, path, aliceHas("two"), now)
	if err := f.Refresh(t.Context(), false); err != nil || f.Current() == first || !maps(t, f, "two") || maps(t, f, "one") {
		t.Errorf("a new version: %v", err)
	}
	if err := f.Refresh(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	write(t, path+"-new", aliceHas("six"), now)
	if err := os.Rename(path+"-new", path); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.Refresh(t.Context(), false); err != nil || !maps(t, f, "six") {
			t.Errorf("replaced by another file of the same size and time: %v", err)
		}
	}
	write(t, path, "consumers: []", now.Add(time.Hour))
	if err := f.Refresh(t.Context(), false); err != nil || maps(t, f, "six") {
		t.Errorf("emptied: %v", err)
	}
}

// Two writes within one tick of the file system's clock, of the same size.
func TestFileSeesASecondWriteWithinATick(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kong.yaml")
	f := consumer.NewFile(path)
	write(t, path, aliceHas("one"), start)
	if err := f.Refresh(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	write(t, path, aliceHas("two"), start)
	if err := f.Refresh(t.Context(), false); err != nil || !maps(t, f, "two") {
		t.Errorf("the second write was not seen: %v", err)
	}
	// Once it has looked alike twice it is not read again, but by force.
	if err := f.Refresh(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	write(t, path, aliceHas("six"), start)
	if err := f.Refresh(t.Context(), false); err != nil || !maps(t, f, "two") {
		t.Errorf("a file that looks unchanged was read: %v", err)
	}
	if err := f.Refresh(t.Context(), true); err != nil || !maps(t, f, "six") {
		t.Errorf("force did not read: %v", err)
	}
	if err := f.Refresh(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	// An error stays one while the file is broken, whatever it looks like.
	write(t, path, strings.Replace(aliceHas("six"), "[", " ", 1), start)
	for i, force := range []bool{true, false, false} {
		if err := f.Refresh(t.Context(), force); err == nil || !maps(t, f, "six") {
			t.Errorf("broken, reading %d: got %v", i, err)
		}
	}
}

func TestFileRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	large := filepath.Join(dir, "large")
	write(t, large, "consumers: []", start)
	if err := os.Truncate(large, 64<<20+1); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, pipe, large} {
		f := consumer.NewFile(path)
		if err := f.Refresh(t.Context(), true); err == nil || f.Current() != nil {
			t.Errorf("%s: got %v, %v", path, f.Current(), err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := consumer.NewFile(large).Refresh(ctx, true); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: got %v", err)
	}
}

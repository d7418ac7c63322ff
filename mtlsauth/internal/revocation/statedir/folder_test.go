package statedir_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/revocation/statedir"
)

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestOpenMakesFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 { // the second time it is there
		d, err := statedir.Open(dir, "mtls-auth", statedir.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := d.Path(), filepath.Join(dir, "mtls-auth"); got != want {
			t.Errorf("got path %q, want %q", got, want)
		}
		for path := d.Path(); filepath.Base(path) != "001"; path = filepath.Dir(path) {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("%s: mode %v and error %v, want 0700", path, info.Mode(), err)
			}
		}
	}
}

func TestNames(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"", ".", "..", "a/b", "/a", "../a", "a/"} {
		if _, err := statedir.Open(dir, name, statedir.Options{}); err == nil {
			t.Errorf("%q was taken for a name", name)
		}
	}
	if _, err := statedir.Open("", "a", statedir.Options{}); err == nil {
		t.Error("an empty path was taken for a folder")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left in the folder: %v, error %v", entries, err)
	}
}

func TestPermissions(t *testing.T) {
	for _, test := range []struct {
		name           string
		parent, folder os.FileMode
		bad            string // which of them the error names; empty for none
	}{
		{"both ours alone", 0o700, 0o700, ""},
		{"others may look", 0o755, 0o755, ""},
		{"the group may write to the folder", 0o700, 0o770, "x"},
		{"others may write to the folder", 0o700, 0o702, "x"},
		{"all may write to the folder, and it is sticky", 0o700, 0o777 | os.ModeSticky, "x"},
		{"the group may write to its parent", 0o770, 0o700, "parent"},
		{"others may write to its parent", 0o702, 0o700, "parent"},
		{"all may write to its parent, which is sticky", 0o777 | os.ModeSticky, 0o700, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			parent := filepath.Join(t.TempDir(), "parent")
			folder := filepath.Join(parent, "x")
			if err := os.MkdirAll(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			chmod(t, folder, test.folder)
			chmod(t, parent, test.parent)
			d, err := statedir.Open(parent, "x", statedir.Options{})
			switch {
			case test.bad == "" && err != nil:
				t.Error(err)
			case test.bad != "" && (err == nil || d != nil):
				t.Errorf("got %v and error %v", d, err)
			case test.bad != "":
				path := map[string]string{"x": folder, "parent": parent}[test.bad]
				mode := map[string]os.FileMode{"x": test.folder | os.ModeDir, "parent": test.parent | os.ModeDir}[test.bad]
				for _, part := range []string{path + " (", mode.String(), "uid " + strconv.Itoa(os.Geteuid()), "group or others"} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("error %q does not say %q", err, part)
					}
				}
			}
		})
	}
}

// The owner of a folder may write to it.
func TestOwners(t *testing.T) {
	other := os.Geteuid() + 1
	t.Run("another user's folder", func(t *testing.T) {
		dir := t.TempDir()
		chmod(t, dir, 0o777|os.ModeSticky)
		if _, err := statedir.Open(dir, "x", statedir.Options{}); err != nil {
			t.Fatal(err)
		}
		_, err := statedir.OpenAs(dir, "x", other)
		if err == nil || !strings.Contains(err.Error(), "must belong to uid "+strconv.Itoa(other)) {
			t.Errorf("got error %v", err)
		}
	})
	t.Run("in another user's folder", func(t *testing.T) {
		dir := t.TempDir()
		uid := other
		if os.Geteuid() == 0 { // whose folders are good for everybody
			if err := os.Chown(dir, other, -1); err != nil {
				t.Skip(err)
			}
			uid = 0
		}
		_, err := statedir.OpenAs(dir, "x", uid)
		if err == nil || !strings.Contains(err.Error(), "or to root") {
			t.Errorf("got error %v", err)
		}
		if _, err := os.Lstat(filepath.Join(dir, "x")); err == nil {
			t.Error("a folder was made there")
		}
	})
	t.Run("in root's folder", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("needs root")
		}
		dir := t.TempDir()
		chmod(t, filepath.Dir(dir), 0o755)
		path := filepath.Join(dir, "x")
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, other, -1); err != nil {
			t.Skip(err)
		}
		if _, err := statedir.OpenAs(dir, "x", other); err != nil {
			t.Error(err)
		}
	})
}

func TestLinksAndFilesForFolders(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	if err := os.Mkdir(target, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "file"), nil)
	for _, name := range []string{"link", "file"} {
		if _, err := statedir.Open(dir, name, statedir.Options{}); err == nil || !strings.Contains(err.Error(), "must be a directory") {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	if _, err := statedir.Open(filepath.Join(dir, "file"), "x", statedir.Options{}); err == nil {
		t.Error("a folder in a file was opened")
	}
	// DIR itself may be a link: the operator's.
	if _, err := statedir.Open(filepath.Join(dir, "link"), "x", statedir.Options{}); err != nil {
		t.Error(err)
	}
}

package kong_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"mtls-auth/kong"
)

// tree returns the files below a folder with their texts.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(file)
		relative, _ := filepath.Rel(dir, file)
		files[relative] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestWriteUnderTwoNames(t *testing.T) {
	source, header := tree(t, "plugins/mtls-auth"), tree(t, "plugins/header-cert-auth")
	for name, without := range map[string][]string{
		"mtls-auth":    nil,
		"mtls-auth-go": {"daos.lua", "migrations/init.lua", "migrations/000_base_mtls_auth.lua", "migrations/001_consumer_foreign_key.lua"},
	} {
		want := make(map[string]string)
		for file, text := range source {
			if !slices.Contains(without, file) {
				want[filepath.Join("kong/plugins", name, file)] = text
			}
		}
		second := "header-cert-auth" + strings.TrimPrefix(name, "mtls-auth")
		for file, text := range header {
			if file != "daos.lua" && !strings.HasPrefix(file, "migrations/") || name == "mtls-auth" {
				want[filepath.Join("kong/plugins", second, file)] = text
			}
		}
		binary := filepath.Join("kong/plugins", name, "binary.lua")
		want[binary] = "-- The path of the program mtls-auth, as `mtls-auth lua -out` was called.\nreturn \"/opt/\\034odd\\092/mtls-auth\"\n"
		dir := filepath.Join(t.TempDir(), "a", "b")
		for range 2 { // the second replaces the first
			written, err := kong.Write(dir, name, `/opt/"odd\/mtls-auth`)
			if err != nil {
				t.Fatal(err)
			}
			if got := tree(t, dir); !maps.Equal(got, want) {
				t.Errorf("%s: got %v, want %v", name, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
			}
			for i, file := range written {
				written[i], _ = filepath.Rel(dir, file)
			}
			if !slices.Equal(written, slices.Sorted(maps.Keys(want))) {
				t.Errorf("%s: says it wrote %v", name, written)
			}
		}
		// What an earlier version had and this one has not goes.
		for _, file := range []string{"daos.lua", "engine.lua"} {
			if err := os.WriteFile(filepath.Join(kong.Folder(dir, name), file), []byte("earlier"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := kong.Write(dir, name, `/opt/"odd\/mtls-auth`); err != nil {
			t.Fatal(err)
		}
		if got := tree(t, dir); !maps.Equal(got, want) {
			t.Errorf("%s, over an earlier version: got %v", name, slices.Sorted(maps.Keys(got)))
		}
	}
}

// Kong's workers may run as another user than the one that installs.
func TestWhatIsWrittenCanBeReadByAll(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	dir := filepath.Join(t.TempDir(), "lua")
	if _, err := kong.Write(dir, "mtls-auth", "/opt/mtls-auth"); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		want := fs.FileMode(0o644)
		if d.IsDir() {
			want = fs.ModeDir | 0o755
		}
		if err == nil && info.Mode() != want {
			t.Errorf("%s: %v, want %v", file, info.Mode(), want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A folder with any other file in it has another plugin, and stays.
func TestAnotherPluginStays(t *testing.T) {
	for other, named := range map[string]string{
		"api.lua": "api.lua", "migrations/001_other.lua": "migrations/001_other.lua", "other/handler.lua": "other",
	} {
		dir := t.TempDir()
		file := filepath.Join(kong.Folder(dir, "mtls-auth"), other)
		for _, text := range []string{file, filepath.Join(kong.Folder(dir, "mtls-auth"), "schema.lua")} {
			if err := os.MkdirAll(filepath.Dir(text), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(text, []byte("theirs"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		before := tree(t, dir)
		if _, err := kong.Write(dir, "mtls-auth", "/opt/mtls-auth"); err == nil || !strings.Contains(err.Error(), filepath.Join(kong.Folder(dir, "mtls-auth"), named)+" ") {
			t.Errorf("%s: got %v, want an error that names the file", other, err)
		}
		if got := tree(t, dir); !maps.Equal(got, before) {
			t.Errorf("%s: left %v", other, got)
		}
	}
	// Nor is a link followed.
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "kong", "plugins"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), kong.Folder(dir, "mtls-auth")); err != nil {
		t.Fatal(err)
	}
	if _, err := kong.Write(dir, "mtls-auth", "/opt/mtls-auth"); err == nil {
		t.Error("a link was replaced")
	}
}

// Beside Kong Enterprise's plugin of the same name ours would be found first.
func TestKongsOwnPluginIsNotShadowed(t *testing.T) {
	images := t.TempDir()
	kong.InstalledIn(t, images)
	theirs := kong.Folder(images, "mtls-auth")
	if err := os.MkdirAll(theirs, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(theirs, "access.lua"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := kong.Write(dir, "mtls-auth", "/opt/mtls-auth"); err == nil || !strings.Contains(err.Error(), "mtls-auth-go") {
		t.Errorf("got %v, want an error that names another name", err)
	}
	if got := tree(t, dir); len(got) > 0 {
		t.Errorf("wrote %v", got)
	}
	if _, err := kong.Write(dir, "mtls-auth-go", "/opt/mtls-auth"); err != nil {
		t.Errorf("under another name: %v", err)
	}
}

func TestNamesThatNoPluginHas(t *testing.T) {
	for _, name := range []string{"", ".", "..", "a/b", "mtls.auth", "mtls auth", "ü"} {
		dir := t.TempDir()
		_, err := kong.Write(dir, name, "/opt/mtls-auth")
		if _, ok := errors.AsType[*kong.NameError](err); !ok {
			t.Errorf("%q: got %v, want a NameError", name, err)
		}
		if got := tree(t, dir); len(got) > 0 {
			t.Errorf("%q: wrote %v", name, got)
		}
	}
}

func TestWriteWhereItCanNot(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := kong.Write(dir, "mtls-auth", "/opt/mtls-auth"); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v, want an error that names %s", err, dir)
	}
}

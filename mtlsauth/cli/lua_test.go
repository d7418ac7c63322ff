package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLua(t *testing.T) {
	bin := t.TempDir()
	for _, name := range []string{"mtls-auth", "Mtls-Auth-go"} {
		dir := filepath.Join(t.TempDir(), "lua")
		code, stdout, stderr := run(t, filepath.Join(bin, name), "lua", "-out", dir)
		if code != 0 || stderr != "" {
			t.Fatalf("%s: exit %d, stderr %q", name, code, stderr)
		}
		schema := filepath.Join(dir, "kong", "plugins", name, "schema.lua")
		for _, want := range []string{
			"wrote " + schema + "\n", "\nlua_package_path = " + dir + "/?.lua;;\n", "\nplugins = bundled," + name + "\n",
		} {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s: %q is not said in\n%s", name, want, stdout)
			}
		}
		if _, err := os.Stat(schema); err != nil {
			t.Error(err)
		}
		// The Lua plugin starts the program that wrote it.
		binary, err := os.ReadFile(filepath.Join(dir, "kong", "plugins", name, "binary.lua"))
		if want := `return "` + bin + "/" + name + `"`; err != nil || !strings.Contains(string(binary), want) {
			t.Errorf("binary.lua is %q (%v), want %s", binary, err, want)
		}
		// The entity is the plugin's of that name alone.
		_, err = os.Stat(filepath.Join(dir, "kong", "plugins", name, "daos.lua"))
		if owns := name == "mtls-auth"; (err == nil) != owns || strings.Contains(stdout, "migrations up") != owns {
			t.Errorf("%s: daos.lua: %v; said\n%s", name, err, stdout)
		}
	}
	// A relative folder, and a program that is found by PATH.
	t.Chdir(t.TempDir())
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "mtls-auth"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	code, stdout, _ := run(t, "mtls-auth", "lua", "-out", "here")
	if code != 0 || !strings.Contains(stdout, "lua_package_path = "+here+"/here/?.lua;;\n") || !strings.Contains(stdout, "It starts "+bin+"/mtls-auth, ") {
		t.Errorf("exit %d, said\n%s", code, stdout)
	}
}

// The Lua plugin would start a program that is deleted.
func TestLuaOfAProgramThatGoRunMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lua")
	code, _, stderr := run(t, "/tmp/go-build1/b001/exe/mtls-auth", "lua", "-out", dir)
	if _, err := os.Stat(dir); code != 1 || !strings.Contains(stderr, `run "go build"`) || err == nil {
		t.Errorf("exit %d, %q, %v, want exit 1, nothing written", code, stderr, err)
	}
}

func TestLuaThatCanNotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := run(t, "mtls-auth", "lua", "-out", file); code != 1 || stdout != "" || !strings.Contains(stderr, file) {
		t.Errorf("into a file: exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	dir := t.TempDir()
	if code, _, stderr := run(t, "mtls-auth.bin", "lua", "-out", dir); code != 2 || !strings.Contains(stderr, `invalid plugin name "mtls-auth.bin": must have letters, digits, - and _ only`) {
		t.Errorf("called by no plugin's name: exit %d, stderr %q", code, stderr)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

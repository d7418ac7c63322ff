package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	lua "mtls-auth/kong"
)

func TestMain(m *testing.M) {
	serveGoPDK()
	code := m.Run()
	os.RemoveAll(binaries)
	os.Exit(code)
}

var (
	binaries  string // the folder of the program
	buildOnce sync.Once
	buildErr  error
)

// program builds the program once, with the race detector when the tests have
// it, and returns its path.
func program(tb testing.TB) string {
	tb.Helper()
	buildOnce.Do(func() {
		binaries, buildErr = os.MkdirTemp("", "mtls-auth-e2e-")
		if buildErr != nil {
			return
		}
		args := []string{"build", "-o", filepath.Join(binaries, "mtls-auth")}
		if raceEnabled {
			args = append(args, "-race")
		}
		if out, err := exec.Command("go", append(args, "mtls-auth")...).CombinedOutput(); err != nil {
			buildErr = fmt.Errorf("building the program: %w\n%s", err, out)
		}
	})
	if buildErr != nil {
		tb.Fatal(buildErr)
	}
	return filepath.Join(binaries, "mtls-auth")
}

var luaOnce = sync.OnceValue(func() error {
	out, err := exec.Command(filepath.Join(binaries, "mtls-auth"), "lua", "-out", filepath.Join(binaries, "lua")).CombinedOutput()
	if err != nil {
		return fmt.Errorf("writing the Lua files: %w\n%s", err, out)
	}
	return nil
})

// luaFiles has the program write the native door's Lua files once, and returns the
// folder for Kong's lua_package_path.
func luaFiles(tb testing.TB) string {
	tb.Helper()
	program(tb)
	if err := luaOnce(); err != nil {
		tb.Fatal(err)
	}
	dir := filepath.Join(binaries, "lua")
	// Named by package kong, so that go test knows what its answer depends on.
	if _, err := os.Stat(filepath.Join(lua.Folder(dir, lua.Name), "handler.lua")); err != nil {
		tb.Fatal(err)
	}
	return dir
}

func writeFile(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

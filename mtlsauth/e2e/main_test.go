package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	lua "mtls-auth/kong"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

func TestMain(m *testing.M) {
	serveGoPDK()
	flag.Parse()
	debug.SetGCPercent(400) // the memory of tests is small
	// Tests on the fake Kong mostly wait: more run at once than there are processors.
	onRealKong := os.Getenv(realkong.Variable) != ""
	if parallel := flag.Lookup("test.parallel"); !onRealKong && parallel.Value.String() == parallel.DefValue {
		most := "8"
		if testing.Short() && !raceEnabled {
			most = "12" // none of them is about time
		}
		_ = parallel.Value.Set(most)
	}
	var other chan error
	if os.Getenv(modeVariable) == "" && (!testing.Short() || raceEnabled) && flag.Lookup("test.bench").Value.String() == "" && flag.Lookup("test.list").Value.String() == "" {
		other = make(chan error, 1)
		if !onRealKong {
			go func() { other <- runInPluginServerMode() }()
		}
	}
	code := m.Run()
	if other != nil && onRealKong {
		other <- runInPluginServerMode()
	}
	if other != nil {
		if err := <-other; err != nil {
			fmt.Println(err)
			code = max(code, 1)
		}
	}
	os.RemoveAll(binaries)
	os.Exit(code)
}

// runInPluginServerMode runs, but for -short, the same tests in plugin-server mode, in a process of its
// own beside this one. What it prints is in the error where a test failed.
func runInPluginServerMode() error {
	args := slices.DeleteFunc(slices.Clone(os.Args[1:]), func(arg string) bool {
		for _, file := range []string{"testlogfile", "outputdir", "coverprofile", "cpuprofile", "memprofile"} {
			if strings.HasPrefix(arg, "-test."+file+"=") {
				return true
			}
		}
		return false
	})
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), modeVariable+"="+string(pluginServerMode))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("in plugin-server mode: %w\n%s", err, out)
	}
	if testing.Verbose() {
		fmt.Printf("in plugin-server mode:\n%s", out)
	}
	return nil
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

// luaFiles has the program write the Lua files once, and returns the
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

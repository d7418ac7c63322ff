package kong_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLua runs the plugin in a made-up worker of Kong, where LuaJIT is installed:
// testdata/*_test.lua say what it has to do.
func TestLua(t *testing.T) {
	luajit, err := exec.LookPath("luajit")
	if err != nil {
		t.Skip("SKIPPED: the Lua plugin was not run, since luajit is not installed (apt-get install luajit)")
	}
	files, err := filepath.Glob("testdata/*_test.lua")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			// Without its compiler: that of Debian's LuaJIT, a beta of 2022, dies of
			// 6 in 100 runs of faults_test.lua, with a segmentation fault. Kong has a
			// newer one.
			cmd := exec.Command(luajit, "-joff", filepath.Base(file), "../plugins/mtls-auth")
			cmd.Dir = "testdata"
			out, err := cmd.CombinedOutput()
			report(t, string(out))
			if err != nil {
				t.Errorf("%v", err)
			}
		})
	}
}

// report makes tests of the lines "ok NAME" and "FAIL NAME", the latter with
// further lines that begin with a space. Others are a failure too.
func report(t *testing.T, out string) {
	ran := 0
	for block := range strings.SplitSeq(strings.ReplaceAll(out, "\n  ", "\x00  "), "\n") {
		result, name, _ := strings.Cut(block, " ")
		switch result {
		case "ok", "FAIL":
			ran++
			name, why, _ := strings.Cut(name, "\x00")
			t.Run(name, func(t *testing.T) {
				if result != "ok" {
					t.Errorf("%s", strings.ReplaceAll(why, "\x00", "\n"))
				}
			})
		case "":
		default:
			t.Errorf("%s", strings.ReplaceAll(block, "\x00", "\n"))
		}
	}
	if ran == 0 {
		t.Error("no test ran")
	}
}

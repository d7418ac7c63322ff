package kong_test

import (
	"crypto/sha256"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// TestLua runs the plugin's Lua files in a made-up worker of Kong, on a clock of its
// own: testdata/*_test.lua say what they have to do.
func TestLua(t *testing.T) {
	files, err := filepath.Glob("testdata/*_test.lua")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in testdata: %v", err)
	}
	t.Chdir("testdata")
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // a third of the time otherwise
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			L := lua.NewState(lua.Options{RegistrySize: 512, RegistryMaxSize: 1 << 20, MinimizeStackMemory: true})
			defer L.Close()
			openCoroutines(L)
			var out strings.Builder
			L.SetGlobal("print", L.NewFunction(func(L *lua.LState) int {
				for i := 1; i <= L.GetTop(); i++ {
					if i > 1 {
						out.WriteByte('\t')
					}
					out.WriteString(L.ToStringMeta(L.Get(i)).String())
				}
				out.WriteByte('\n')
				return 0
			}))
			arg := L.NewTable()
			arg.RawSetInt(1, lua.LString("../plugins/mtls-auth"))
			L.SetGlobal("arg", arg)
			L.SetField(L.GetGlobal("package"), "path", lua.LString("?.lua"))
			L.PreloadModule("json", loadJSON)
			L.SetGlobal("loadfile", L.NewFunction(loadFile))
			L.PreloadModule("sha256", func(L *lua.LState) int {
				L.Push(L.NewFunction(func(L *lua.LState) int {
					sum := sha256.Sum256([]byte(L.CheckString(1)))
					L.Push(lua.LString(sum[:]))
					return 1
				}))
				return 1
			})
			L.SetField(L.GetGlobal("os"), "exit", L.NewFunction(func(L *lua.LState) int {
				if code := L.OptInt(1, 0); code != 0 {
					L.RaiseError("exit code %d", code)
				}
				return 0
			}))
			err := L.DoFile(filepath.Base(file))
			report(t, out.String())
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

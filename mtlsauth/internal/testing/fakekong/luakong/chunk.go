package luakong

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
)

// chunks are the Lua files that were compiled, by name and text: the workers of all fake
// Kongs run the same ones, and compiling takes longer than most requests.
var chunks sync.Map

// loadChunk returns a Lua text as a function.
func loadChunk(L *lua.LState, name, text string) (*lua.LFunction, error) {
	key := [2]string{name, text}
	chunk, compiled := chunks.Load(key)
	if !compiled {
		parsed, err := parse.Parse(strings.NewReader(text), name)
		if err != nil {
			return nil, err
		}
		if chunk, err = lua.Compile(parsed, name); err != nil {
			return nil, err
		}
		chunks.Store(key, chunk)
	}
	return L.NewFunctionFromProto(chunk.(*lua.FunctionProto)), nil
}

// openRequire has require find modules in Kong's own files, by module, and below a folder
// as with lua_package_path = DIR/?.lua;DIR/?/init.lua.
func openRequire(L *lua.LState, own map[string]string, dir string) {
	load := func(L *lua.LState, module string) (*lua.LFunction, error) {
		if text, ok := own[module]; ok {
			return loadChunk(L, module, text)
		}
		file := filepath.Join(dir, strings.ReplaceAll(module, ".", "/"))
		text, err := os.ReadFile(file + ".lua")
		if errors.Is(err, fs.ErrNotExist) {
			text, err = os.ReadFile(filepath.Join(file, "init.lua"))
		}
		if err != nil {
			return nil, err
		}
		return loadChunk(L, file+".lua", string(text))
	}
	loaders, _ := L.GetField(L.GetGlobal("package"), "loaders").(*lua.LTable)
	loaders.RawSetInt(2, L.NewFunction(func(L *lua.LState) int {
		f, err := load(L, L.CheckString(1))
		switch {
		case err == nil:
			L.Push(f)
		case errors.Is(err, fs.ErrNotExist):
			L.Push(lua.LString(err.Error()))
		default:
			L.RaiseError("%v", err)
		}
		return 1
	}))
}

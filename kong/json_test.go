package kong_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// loadJSON is the module json of the Lua tests, with lua-cjson's names. Keys are sorted,
// so that equal tables have one text.
func loadJSON(L *lua.LState) int {
	c := jsonCodec{L: L, null: L.NewUserData(), arrayMT: L.NewTable()}
	module := L.NewTable()
	result := func(L *lua.LState, v lua.LValue, err error) int {
		if err != nil {
			L.Push(lua.LNil)
			L.Push(lua.LString(err.Error()))
			return 2
		}
		L.Push(v)
		return 1
	}
	L.SetFuncs(module, map[string]lua.LGFunction{
		"encode": func(L *lua.LState) int {
			var out strings.Builder
			err := c.encode(&out, L.Get(1))
			return result(L, lua.LString(out.String()), err)
		},
		"decode": func(L *lua.LState) int {
			d := json.NewDecoder(strings.NewReader(L.CheckString(1)))
			v, err := c.decode(d)
			if err == nil {
				if _, more := d.Token(); !errors.Is(more, io.EOF) {
					err = errors.New("more than one value")
				}
			}
			return result(L, v, err)
		},
		"decode_array_with_array_mt": func(*lua.LState) int { return 0 }, // always
		"new":                        func(L *lua.LState) int { return result(L, module, nil) },
	})
	L.SetField(module, "null", c.null)
	L.SetField(module, "array_mt", c.arrayMT)
	return result(L, module, nil)
}

type jsonCodec struct {
	L       *lua.LState
	null    *lua.LUserData
	arrayMT *lua.LTable
}

var jsonEscapes = strings.NewReplacer(`"`, `\"`, `\`, `\\`, `/`, `\/`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\x00", `\u0000`, "\x01", `\u0001`)

func (c jsonCodec) encode(out *strings.Builder, v lua.LValue) error {
	switch v := v.(type) {
	case lua.LBool, lua.LNumber:
		out.WriteString(v.String())
	case lua.LString:
		fmt.Fprintf(out, `"%s"`, jsonEscapes.Replace(string(v)))
	case *lua.LTable:
		return c.encodeTable(out, v)
	default:
		if v != c.null {
			return fmt.Errorf("a %s is no JSON", v.Type())
		}
		out.WriteString("null")
	}
	return nil
}

func (c jsonCodec) encodeTable(out *strings.Builder, t *lua.LTable) error {
	separate := func() {
		if !strings.HasSuffix(out.String(), "[") && !strings.HasSuffix(out.String(), "{") {
			out.WriteByte(',')
		}
	}
	if t.Metatable == c.arrayMT || t.RawGetInt(1) != lua.LNil {
		out.WriteByte('[')
		for i := 1; t.RawGetInt(i) != lua.LNil; i++ {
			separate()
			if err := c.encode(out, t.RawGetInt(i)); err != nil {
				return err
			}
		}
		out.WriteByte(']')
		return nil
	}
	members := map[string]lua.LValue{}
	t.ForEach(func(key, value lua.LValue) { members[key.String()] = value })
	out.WriteByte('{')
	for _, key := range slices.Sorted(maps.Keys(members)) {
		separate()
		fmt.Fprintf(out, `"%s":`, jsonEscapes.Replace(key))
		if err := c.encode(out, members[key]); err != nil {
			return err
		}
	}
	out.WriteByte('}')
	return nil
}

func (c jsonCodec) decode(d *json.Decoder) (lua.LValue, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case bool:
		return lua.LBool(token), nil
	case float64:
		return lua.LNumber(token), nil
	case string:
		return lua.LString(token), nil
	case json.Delim:
		t := c.L.NewTable()
		if token == '[' {
			t.Metatable = c.arrayMT
		}
		for d.More() {
			var key lua.LValue = lua.LNumber(t.Len() + 1)
			if token == '{' {
				if key, err = c.decode(d); err != nil {
					return nil, err
				}
			}
			value, err := c.decode(d)
			if err != nil {
				return nil, err
			}
			t.RawSet(key, value)
		}
		_, err := d.Token()
		return t, err
	}
	return c.null, nil
}

// chunks are the Lua files of these tests, compiled once: each test of the several hundred
// loads the plugin into a new worker.
var chunks = map[string]*lua.FunctionProto{}

// loadFile is Lua's loadfile.
func loadFile(L *lua.LState) int {
	path := L.CheckString(1)
	if chunks[path] == nil {
		f, err := L.LoadFile(path)
		if err != nil {
			L.RaiseError("%v", err)
		}
		chunks[path] = f.Proto
	}
	L.Push(L.NewFunctionFromProto(chunks[path]))
	return 1
}

package luakong

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"
)

// null is ngx.null and cjson.null.
var null = &lua.LUserData{}

// toLua makes a Lua value of one that encoding/json could have made.
func toLua(L *lua.LState, v any) lua.LValue {
	switch v := v.(type) {
	case nil:
		return lua.LNil
	case bool:
		return lua.LBool(v)
	case string:
		return lua.LString(v)
	case int:
		return lua.LNumber(v)
	case float64:
		return lua.LNumber(v)
	case []string:
		t := L.CreateTable(len(v), 0)
		for _, s := range v {
			t.Append(lua.LString(s))
		}
		return t
	case []any:
		t := L.CreateTable(len(v), 0)
		for _, e := range v {
			t.Append(toLua(L, e))
		}
		return t
	case []map[string]any:
		t := L.CreateTable(len(v), 0)
		for _, e := range v {
			t.Append(toLua(L, e))
		}
		return t
	case map[string]any:
		t := L.CreateTable(0, len(v))
		for key, e := range v {
			t.RawSetString(key, toLua(L, e))
		}
		return t
	}
	panic(fmt.Sprintf("luakong: a value of type %T", v))
}

// fromLua is its opposite. A table with a list part is a list, and so is an empty one;
// ngx.null, functions and the like are nil.
func fromLua(v lua.LValue) any {
	switch v := v.(type) {
	case lua.LBool:
		return bool(v)
	case lua.LString:
		return string(v)
	case lua.LNumber:
		return float64(v)
	case *lua.LTable:
		if n := v.Len(); n > 0 {
			list := make([]any, 0, n)
			for i := 1; i <= n; i++ {
				list = append(list, fromLua(v.RawGetInt(i)))
			}
			return list
		}
		m := map[string]any{}
		v.ForEach(func(key, value lua.LValue) { m[key.String()] = fromLua(value) })
		if len(m) == 0 {
			return []any{}
		}
		return m
	}
	return nil
}

// values is a table that reads and writes a Go map, such as ngx.ctx.
func values(L *lua.LState, m map[string]any) *lua.LTable {
	t, meta := L.NewTable(), L.NewTable()
	L.SetFuncs(meta, map[string]lua.LGFunction{
		"__index": func(L *lua.LState) int {
			L.Push(toLua(L, m[L.CheckString(2)]))
			return 1
		},
		"__newindex": func(L *lua.LState) int {
			key, value := L.CheckString(2), fromLua(L.Get(3))
			if value == nil {
				delete(m, key)
			} else {
				m[key] = value
			}
			return 0
		},
	})
	L.SetMetatable(t, meta)
	return t
}

// text is tostring of some arguments, one after the other.
func text(L *lua.LState, from int) string {
	var s string
	for i := from; i <= L.GetTop(); i++ {
		s += L.ToStringMeta(L.Get(i)).String()
	}
	return s
}

// failed pushes nil and an error.
func failed(L *lua.LState, err string) int {
	L.Push(lua.LNil)
	L.Push(lua.LString(err))
	return 2
}

// self returns the Go value behind the userdata with which a method is called.
func self[T any](L *lua.LState) T {
	if u, ok := L.Get(1).(*lua.LUserData); ok {
		if v, ok := u.Value.(T); ok {
			return v
		}
	}
	var none T
	L.ArgError(1, fmt.Sprintf("%T expected", none))
	return none
}

// object makes a userdata with methods.
func object(L *lua.LState, value any, methods map[string]lua.LGFunction) *lua.LUserData {
	u := L.NewUserData()
	u.Value = value
	meta := L.NewTable()
	L.SetField(meta, "__index", strict(L, fmt.Sprintf("%T", value), methods, nil))
	u.Metatable = meta
	return u
}

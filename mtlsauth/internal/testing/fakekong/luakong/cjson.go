package luakong

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	lua "github.com/yuin/gopher-lua"
)

// arrayMT is cjson.array_mt, the metatable of tables that are written as arrays.
var arrayMT = &lua.LTable{}

// loadCJSON is cjson.safe: what fails returns nil and an error. cjson itself is not
// told apart, since plugins here use the safe one.
func loadCJSON(L *lua.LState) int {
	L.Push(newCJSON(L))
	return 1
}

func newCJSON(L *lua.LState) *lua.LTable {
	withArrayMT := false
	t := strict(L, "cjson", map[string]lua.LGFunction{
		"new": func(L *lua.LState) int {
			L.Push(newCJSON(L))
			return 1
		},
		"decode_array_with_array_mt": func(L *lua.LState) int {
			withArrayMT = L.CheckBool(1)
			return 0
		},
		"encode": func(L *lua.LState) int {
			text, err := encode(L.Get(1), 0)
			if err != nil {
				return failed(L, err.Error())
			}
			L.Push(lua.LString(text))
			return 1
		},
		"decode": func(L *lua.LState) int {
			d := json.NewDecoder(bytes.NewReader([]byte(L.CheckString(1))))
			v, err := decode(L, d, withArrayMT)
			if err == nil {
				if _, more := d.Token(); !errors.Is(more, io.EOF) {
					err = errors.New("expected the end but found more")
				}
			}
			if err != nil {
				return failed(L, err.Error())
			}
			L.Push(v)
			return 1
		},
	}, nil)
	L.SetField(t, "null", null)
	L.SetField(t, "array_mt", arrayMT)
	return t
}

const maxDepth = 1000 // cjson's

// encode writes a value as cjson does: an empty table is an object, / is escaped.
func encode(v lua.LValue, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errors.New("cannot serialise, excessive depth")
	}
	switch v := v.(type) {
	case *lua.LNilType:
		return []byte("null"), nil
	case lua.LBool:
		return strconv.AppendBool(nil, bool(v)), nil
	case lua.LNumber:
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, errors.New("cannot serialise number: must not be NaN or Infinity")
		}
		return fmt.Appendf(nil, "%.14g", float64(v)), nil
	case lua.LString:
		return quote(string(v)), nil
	case *lua.LUserData:
		if v == null {
			return []byte("null"), nil
		}
	case *lua.LTable:
		return encodeTable(v, depth)
	}
	return nil, fmt.Errorf("cannot serialise %s: type not supported", v.Type())
}

func encodeTable(t *lua.LTable, depth int) ([]byte, error) {
	n := t.Len()
	if n > 0 || t.Metatable == lua.LValue(arrayMT) {
		out := []byte{'['}
		for i := 1; i <= n; i++ {
			if i > 1 {
				out = append(out, ',')
			}
			e, err := encode(t.RawGetInt(i), depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, e...)
		}
		return append(out, ']'), nil
	}
	out := []byte{'{'}
	var failed error
	t.ForEach(func(key, value lua.LValue) {
		e, err := encode(value, depth+1)
		if err != nil {
			failed = err
			return
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, quote(key.String())...), ':'), e...)
	})
	return append(out, '}'), failed
}

func quote(s string) []byte {
	out := []byte{'"'}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\\', '/':
			out = append(out, '\\', c)
		case '\n':
			out = append(out, '\\', 'n')
		case '\r':
			out = append(out, '\\', 'r')
		case '\t':
			out = append(out, '\\', 't')
		case '\b':
			out = append(out, '\\', 'b')
		case '\f':
			out = append(out, '\\', 'f')
		default:
			if c < 0x20 || c == 0x7f {
				out = fmt.Appendf(out, `\u%04x`, c)
			} else {
				out = append(out, c)
			}
		}
	}
	return append(out, '"')
}

func decode(L *lua.LState, d *json.Decoder, withArrayMT bool) (lua.LValue, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case nil:
		return null, nil
	case json.Delim:
		t := L.NewTable()
		for d.More() {
			if token == '[' {
				e, err := decode(L, d, withArrayMT)
				if err != nil {
					return nil, err
				}
				t.Append(e)
				continue
			}
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			e, err := decode(L, d, withArrayMT)
			if err != nil {
				return nil, err
			}
			t.RawSetString(key.(string), e) //nolint:forcetypeassert // of an object every other token is a string
		}
		if token == '[' && withArrayMT {
			t.Metatable = arrayMT
		}
		_, err := d.Token()
		return t, err
	}
	return toLua(L, token), nil
}

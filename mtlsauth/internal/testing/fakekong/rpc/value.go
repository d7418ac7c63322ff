package rpc

import (
	"fmt"
	"math"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// fromValue is pb_rpc.lua's structpb_value: what Lua gets for a Value. It takes
// the first of bool, string, number and null that is true in Lua, so false
// arrives as nil, and a null as the name of its enum value (lua-protobuf's
// default), which is a string: a plugin cannot set nil.
func fromValue(v *structpb.Value) any {
	switch k := v.GetKind().(type) {
	case *structpb.Value_BoolValue:
		if k.BoolValue {
			return true
		}
	case *structpb.Value_StringValue:
		return k.StringValue
	case *structpb.Value_NumberValue:
		return k.NumberValue
	case *structpb.Value_ListValue:
		return fromList(k.ListValue)
	case *structpb.Value_StructValue:
		return fromStruct(k.StructValue)
	case *structpb.Value_NullValue:
		if k.NullValue == structpb.NullValue_NULL_VALUE {
			return "NULL_VALUE"
		}
		return float64(k.NullValue)
	}
	return nil
}

func fromList(l *structpb.ListValue) []any {
	out := make([]any, 0, len(l.GetValues()))
	for _, v := range l.GetValues() {
		out = append(out, fromValue(v))
	}
	return out
}

func fromStruct(s *structpb.Struct) map[string]any {
	out := make(map[string]any, len(s.GetFields()))
	for k, v := range s.GetFields() {
		if value := fromValue(v); value != nil {
			out[k] = value
		}
	}
	return out
}

// value encodes the answer of a method that returns a Value.
func value(v any, null int32) ([]byte, error) {
	if v == nil {
		if null == 0 {
			return nil, nil
		}
		return proto.Marshal(&structpb.Value{Kind: &structpb.Value_NullValue{NullValue: structpb.NullValue(null)}})
	}
	out, err := structpb.NewValue(v)
	if err != nil {
		return nil, &thrown{at: "pb_rpc.lua:233", text: err.Error()}
	}
	return proto.Marshal(out)
}

// headerValues is what kong.pdk.private.checks makes of a header's value. An
// empty text becomes a space, an empty list clears the header.
func headerValues(name string, v any) ([]string, error) {
	switch v := v.(type) {
	case string:
		return []string{orSpace(v)}, nil
	case float64, bool:
		return []string{luaString(v)}, nil
	case []any:
		out := make([]string, 0, len(v))
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, throwf("invalid header value in array %q: got %s, expected string", name, luaType(e))
			}
			out = append(out, orSpace(s))
		}
		return out, nil
	case map[string]any: // a Lua table with no list part
		return nil, nil
	}
	return nil, throwf("invalid header value for %q: got %s, expected array of string, string, number or boolean", name, luaType(v))
}

func orSpace(s string) string {
	if s == "" {
		return " "
	}
	return s
}

func throwf(format string, args ...any) error {
	return &thrown{at: "pb_rpc.lua:233", text: fmt.Sprintf(format, args...)}
}

// luaString is Lua's tostring.
func luaString(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1e14 {
			return strconv.FormatFloat(v, 'f', -1, 64)
		}
		return fmt.Sprintf("%.14g", v)
	}
	return "table"
}

func luaType(v any) string {
	switch v.(type) {
	case nil:
		return "nil"
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		return "number"
	}
	return "table"
}

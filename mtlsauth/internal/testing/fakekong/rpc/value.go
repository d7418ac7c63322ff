package rpc

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// fromValue is pb_rpc.lua's structpb_value: what Lua gets for a Value. It takes the first
// of bool, string, number and null that is true in Lua, so false arrives as nil, and a null
// as the name of its enum value (lua-protobuf's default), which is a string: a plugin cannot
// set nil.
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
		out := make([]any, 0, len(k.ListValue.GetValues()))
		for _, v := range k.ListValue.GetValues() {
			out = append(out, fromValue(v))
		}
		return out
	case *structpb.Value_StructValue:
		return fromStruct(k.StructValue)
	case *structpb.Value_NullValue:
		return "NULL_VALUE"
	}
	return nil
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
		return nil, throwf("%s", err)
	}
	return proto.Marshal(out)
}

func throwf(format string, args ...any) error {
	return &thrown{at: "pb_rpc.lua:233", text: fmt.Sprintf(format, args...)}
}

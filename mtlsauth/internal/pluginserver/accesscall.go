package pluginserver

import "google.golang.org/protobuf/encoding/protowire"

// access is the phase that nearly every call is about.
const access = "access"

// Field numbers of pluginsocket.proto.
const (
	rpcCallSequence       protowire.Number = 1
	rpcCallHandleEvent    protowire.Number = 36
	handleEventInstanceID protowire.Number = 1
	handleEventName       protowire.Number = 2
)

// accessCall reads the call for an access event as Kong writes it: an RpcCall
// with its sequence, then the command with instance id and name, each once and
// nothing else. Of such bytes it returns what protobuf reads in them, without
// the memory that takes. Whatever differs is left to protobuf.
func accessCall(frame []byte) (sequence int64, id int32, ok bool) {
	n, rest, ok := varintField(frame, rpcCallSequence)
	if !ok {
		return 0, 0, false
	}
	command, rest, ok := bytesField(rest, rpcCallHandleEvent)
	if !ok || len(rest) > 0 {
		return 0, 0, false
	}
	instance, rest, ok := varintField(command, handleEventInstanceID)
	if !ok {
		return 0, 0, false
	}
	name, rest, ok := bytesField(rest, handleEventName)
	if !ok || len(rest) > 0 || string(name) != access {
		return 0, 0, false
	}
	return int64(n), int32(instance), true
}

func varintField(b []byte, field protowire.Number) (value uint64, rest []byte, ok bool) {
	number, kind, n := protowire.ConsumeTag(b)
	if n < 0 || number != field || kind != protowire.VarintType {
		return 0, nil, false
	}
	value, m := protowire.ConsumeVarint(b[n:])
	if m < 0 {
		return 0, nil, false
	}
	return value, b[n+m:], true
}

func bytesField(b []byte, field protowire.Number) (value, rest []byte, ok bool) {
	number, kind, n := protowire.ConsumeTag(b)
	if n < 0 || number != field || kind != protowire.BytesType {
		return nil, nil, false
	}
	value, m := protowire.ConsumeBytes(b[n:])
	if m < 0 {
		return nil, nil, false
	}
	return value, b[n+m:], true
}

package pluginserver_test

import (
	"slices"
	"testing"

	"github.com/Kong/go-pdk/server/kong_plugin_protocol"
	"google.golang.org/protobuf/proto"

	"mtls-auth/mtlsauth/internal/pluginserver"
)

// accessFrame is the call for an access event, as Kong's lua-protobuf writes it.
func accessFrame(tb testing.TB, sequence int64, id int32, phase string) []byte {
	tb.Helper()
	frame, err := proto.MarshalOptions{Deterministic: true}.Marshal(&kong_plugin_protocol.RpcCall{
		Sequence: sequence,
		Call: &kong_plugin_protocol.RpcCall_CmdHandleEvent{CmdHandleEvent: &kong_plugin_protocol.CmdHandleEvent{
			InstanceId: id, EventName: phase,
		}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return frame
}

func TestAccessCallReadsWhatKongWrites(t *testing.T) {
	for _, id := range []int32{1, 127, 128, 1 << 30, -1} {
		frame := accessFrame(t, 1<<40, id, "access")
		sequence, got, ok := pluginserver.AccessCall(frame)
		if !ok || sequence != 1<<40 || got != id {
			t.Errorf("instance %d: got sequence %d, instance %d, %v", id, sequence, got, ok)
		}
		if allocs := testing.AllocsPerRun(10, func() { pluginserver.AccessCall(frame) }); allocs != 0 {
			t.Errorf("it takes %v allocations", allocs)
		}
	}
}

// What is read here is never anything else than what protobuf reads.
func FuzzAccessCallIsWhatProtobufReads(f *testing.F) {
	good := accessFrame(f, 300, 4711, "access")
	f.Add(good)
	f.Add(accessFrame(f, 300, 4711, "accesses"))
	f.Add(accessFrame(f, 300, 4711, ""))
	f.Add(accessFrame(f, 0, 4711, "access"))
	f.Add(slices.Concat(good, good))                      // protobuf takes the last
	f.Add(slices.Concat([]byte{8, 1}, good))              // two sequences
	f.Add(slices.Concat(good, []byte{0x8a, 2, 0}))        // and another command
	f.Add(slices.Concat(good[:3], []byte{0x80, 0x3e, 1})) // an unknown field
	f.Add(good[:len(good)-1])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, frame []byte) {
		sequence, id, ok := pluginserver.AccessCall(frame)
		if !ok {
			if sequence != 0 || id != 0 {
				t.Errorf("not read, and yet sequence %d, instance %d", sequence, id)
			}
			return
		}
		var call kong_plugin_protocol.RpcCall
		if err := proto.Unmarshal(frame, &call); err != nil {
			t.Fatalf("read bytes that are not a call: %v", err)
		}
		event := call.GetCmdHandleEvent()
		if event == nil || event.EventName != "access" || event.InstanceId != id || call.Sequence != sequence {
			t.Errorf("read sequence %d, instance %d; protobuf reads %v", sequence, id, &call)
		}
	})
}

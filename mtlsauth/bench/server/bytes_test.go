package server

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// Kong's order of fields varies; what is not a call is an error.
func TestHeadOf(t *testing.T) {
	event := []byte("\xa2\x02\x0a\x08\x06\x12\x06access\x08\x03") // as Kong 3.9.1 wrote it
	sequenceFirst := append([]byte("\x08\x85\x01"), protowire.AppendBytes(protowire.AppendTag(nil, fieldStart, protowire.BytesType), []byte("{}"))...)
	for _, test := range []struct {
		call     []byte
		sequence uint64
		command  protowire.Number
	}{{event, 3, 36}, {sequenceFirst, 133, fieldStart}} {
		sequence, command, err := headOf(test.call)
		if err != nil || sequence != test.sequence || command != test.command {
			t.Errorf("%q: got sequence %d of command %d (%v), want %d of %d", test.call, sequence, command, err, test.sequence, test.command)
		}
		for i := 1; i < len(test.call); i++ {
			if s, c, err := headOf(test.call[:i]); err == nil && s == test.sequence && c == test.command {
				t.Errorf("%q: half a call was taken for the whole", test.call[:i])
			}
		}
	}
}

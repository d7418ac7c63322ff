package pluginserver

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	pdk "github.com/Kong/go-pdk"
)

// Calls are PDK calls as bytes, ready to be sent any number of times. The zero
// value has no call. Calls are immutable.
type Calls struct {
	frames []byte
	count  int32 // calls in frames, an exit not counted: it is not answered
	exits  bool  // the last call is kong.response.exit
}

const exitMethod = "kong.response.exit"

var errAfterExit = errors.New("a PDK call after kong.response.exit")

// Record returns the PDK calls that fn makes, in their order, in the bytes in
// which go-pdk sends them. To fn every call seems to be answered by an empty
// frame: what it returns is meaningless. Calls after Response.Exit are an
// error, since Kong would not read them.
func Record(fn func(kong *pdk.PDK) error) (Calls, error) {
	tape := new(tape)
	if err := fn(pdk.Init(tape)); err != nil {
		return Calls{}, fmt.Errorf("recording PDK calls: %w", err)
	}
	calls := Calls{frames: tape.written}
	for rest := tape.written; len(rest) > 0; {
		if calls.exits {
			return Calls{}, fmt.Errorf("recording PDK calls: %w", errAfterExit)
		}
		method, after := cutFrame(rest)
		_, rest = cutFrame(after)
		if string(method) == exitMethod {
			calls.exits = true
		} else {
			calls.count++
		}
	}
	return calls, nil
}

// MustRecord is Record for calls that are known when the program is written.
func MustRecord(fn func(kong *pdk.PDK) error) Calls {
	calls, err := Record(fn)
	if err != nil {
		panic(err)
	}
	return calls
}

// Call returns one PDK call whose arguments, a protobuf message, are encoded already.
func Call(method string, arguments []byte) Calls {
	frames := make([]byte, 0, 8+len(method)+len(arguments))
	for _, frame := range [...][]byte{[]byte(method), arguments} {
		frames = binary.LittleEndian.AppendUint32(frames, uint32(len(frame)))
		frames = append(frames, frame...)
	}
	return Calls{frames: frames, count: 1}
}

// Before returns the calls with others after them. What precedes must not exit.
func (c Calls) Before(others Calls) Calls {
	return Calls{frames: slices.Concat(c.frames, others.frames), count: c.count + others.count, exits: others.exits}
}

// Exits tells whether the calls end the request with kong.response.exit.
func (c Calls) Exits() bool { return c.exits }

// cutFrame splits a tape, whose frames are whole, behind its first frame.
func cutFrame(frames []byte) (frame, rest []byte) {
	end := 4 + int(binary.LittleEndian.Uint32(frames))
	return frames[4:end], frames[end:]
}

// tape is the connection that go-pdk is given while its calls are recorded:
// it keeps what is written and answers every call with an empty frame.
type tape struct {
	net.Conn // nil: go-pdk reads, writes and closes, nothing else
	written  []byte
}

func (t *tape) Write(p []byte) (int, error) {
	t.written = append(t.written, p...)
	return len(p), nil
}

func (t *tape) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func (t *tape) Close() error                { return nil }
func (t *tape) SetDeadline(time.Time) error { return nil }

package pluginserver

import (
	"errors"
	"fmt"
	"time"

	pdk "github.com/Kong/go-pdk"
	"github.com/Kong/go-pdk/server/kong_plugin_protocol"
)

// Event is one phase of one request in one instance. It is good for the call
// of [Instance.Handle] that it was given to and for nothing after it.
//
// A handler asks what it must know, states what is to be done, and gives an
// answer. Without an answer the request gets [Options].Fault.
type Event struct {
	phase string
	time  time.Time
	conn  *conn

	queued   int // replies that the connection's out will bring
	owed     int // replies that are still to be read off
	answered bool
	exits    bool
	broken   bool // the connection cannot be used any more
}

// Phase returns the name of the phase, such as "access".
func (e *Event) Phase() string { return e.phase }

// Time returns when the event arrived: the one reading of the clock that all
// decisions about this request use.
func (e *Event) Time() time.Time { return e.time }

// Ask sends calls that have answers, together with what was stated before, in
// one write, and returns the replies in order. They are protobuf messages as
// pluginsocket.proto has them (an empty one is nil in Lua), valid until the
// next Ask or the end of the event. Calls that exit are an error.
//
// After an error nothing is known and the event gets [Options].Fault.
func (e *Event) Ask(calls Calls) ([][]byte, error) {
	if calls.exits || e.answered {
		return nil, errors.New("asking Kong: the event has its answer")
	}
	if e.broken {
		return nil, errors.New("asking Kong: the connection is gone")
	}
	if err := e.unasked(); err != nil {
		return nil, err
	}
	e.conn.out = append(e.conn.out, calls.frames...)
	if err := e.flush(); err != nil {
		return nil, err
	}
	if err := e.readOwed(); err != nil {
		return nil, err
	}
	replies, err := e.readReplies(int(calls.count))
	return replies, errors.Join(err, e.unasked())
}

// unasked is an error if Kong has sent more than it was asked for. Replies have no id: one
// that came twice would be taken for the next call's.
func (e *Event) unasked() error {
	if n := e.conn.reader.Buffered(); n > 0 {
		return fmt.Errorf("reading a reply of Kong: %d bytes more than it was asked for", n)
	}
	return nil
}

// Tell states calls whose answers do not matter. They are sent with whatever
// is sent next, at the latest with the end of the event.
func (e *Event) Tell(calls Calls) {
	if calls.exits || e.answered {
		return
	}
	e.conn.out = append(e.conn.out, calls.frames...)
	e.queued += int(calls.count)
}

// Pass ends the event with the calls and the request going on to Kong's next
// plugin. Calls that exit are no answer. The first answer counts.
func (e *Event) Pass(calls Calls) {
	if !calls.exits {
		e.answer(calls)
	}
}

// Exit ends the event with calls that exit: with a response. Others are no
// answer, so that a mistake here never lets a request pass. The first answer
// counts.
func (e *Event) Exit(calls Calls) {
	if calls.exits {
		e.answer(calls)
	}
}

func (e *Event) answer(calls Calls) {
	if e.answered {
		return
	}
	e.conn.out = append(e.conn.out, calls.frames...)
	e.queued += int(calls.count)
	e.answered, e.exits = true, calls.exits
}

// plainFault is the answer to an event whose Fault gave none.
var plainFault = MustRecord(func(kong *pdk.PDK) error {
	kong.Response.Exit(500, nil, nil)
	return nil
})

// fault replaces whatever was not sent yet by the answer to what went wrong.
func (e *Event) fault(err error) {
	e.drop()
	calls := e.conn.server.fault(e, err)
	e.drop()
	e.Exit(calls)
	e.Exit(plainFault)
}

// drop takes back what was not sent yet.
func (e *Event) drop() {
	e.conn.out, e.queued, e.answered, e.exits = e.conn.out[:0], 0, false, false
}

// end sends the rest of the event: the answer and, for a request that goes on,
// the end of the event and the RpcReturn, in one write. It reads off what the
// connection owes.
func (e *Event) end(sequence int64) error {
	if !e.exits {
		out, err := appendMessage(append(e.conn.out, 0, 0, 0, 0), &kong_plugin_protocol.RpcReturn{Sequence: sequence})
		if err != nil {
			return err
		}
		e.conn.out = out
	}
	if err := e.flush(); err != nil {
		return err
	}
	return e.readOwed()
}

func (e *Event) flush() error {
	if len(e.conn.out) == 0 {
		return nil
	}
	_, err := e.conn.Write(e.conn.out)
	e.conn.out = e.conn.out[:0]
	e.owed, e.queued = e.owed+e.queued, 0
	if err != nil {
		e.broken = true
		return fmt.Errorf("writing to Kong: %w", err)
	}
	return nil
}

// readOwed reads off the replies to Tell, whatever they are.
func (e *Event) readOwed() error {
	for ; e.owed > 0; e.owed-- {
		if err := discardFrame(e.conn.reader); err != nil {
			e.broken = true
			return fmt.Errorf("reading a reply of Kong: %w", err)
		}
	}
	return nil
}

func (e *Event) readReplies(count int) ([][]byte, error) {
	buf := e.conn.replies[:0]
	ends := make([]int, 0, 4)
	var dropped error
	for range count {
		var err error
		buf, err = appendFrame(buf, e.conn.reader)
		if length, ok := errors.AsType[tooLarge](err); ok {
			dropped = err
			_, err = e.conn.reader.Discard(int(length))
		}
		if err != nil {
			e.broken = true
			return nil, fmt.Errorf("reading a reply of Kong: %w", err)
		}
		ends = append(ends, len(buf))
	}
	e.conn.replies = buf
	if dropped != nil {
		return nil, fmt.Errorf("reading a reply of Kong: %w", dropped)
	}
	replies := make([][]byte, 0, 4)
	start := 0
	for _, end := range ends {
		replies = append(replies, buf[start:end:end])
		start = end
	}
	return replies, nil
}

package pluginserver_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"testing"

	"github.com/Kong/go-pdk/server/kong_plugin_protocol"
	"google.golang.org/protobuf/proto"

	"mtls-auth/mtlsauth/internal/pluginserver"
)

func TestWhatGoesWrongInAnEventIsItsFault(t *testing.T) {
	for name, h := range map[string]handler{
		"a panic":  func(*pluginserver.Event) error { panic("boom") },
		"an error": func(*pluginserver.Event) error { return errors.New("no") },
		"silence":  func(*pluginserver.Event) error { return nil },
		"an error after an answer": func(e *pluginserver.Event) error {
			e.Pass(pluginserver.Calls{})
			return errors.New("no")
		},
		"a panic after an answer": func(e *pluginserver.Event) error {
			e.Pass(setHeader)
			panic("boom")
		},
		"a pass that exits": func(e *pluginserver.Event) error {
			e.Pass(exit401)
			return nil
		},
		"an exit that does not": func(e *pluginserver.Event) error {
			e.Exit(pluginserver.Calls{})
			return nil
		},
		"a question with an exit": func(e *pluginserver.Event) error {
			_, err := e.Ask(exit401)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, h)
			for range 2 { // and the server goes on
				k := r.dial()
				k.event(k.startInstance("{}"), 3)
				k.expectFault()
				k.Close()
			}
			if n := r.faults.Load(); n != 2 {
				t.Errorf("%d faults, want 2", n)
			}
		})
	}
}

// Whatever is wrong with Fault itself, the event exits.
func TestAFaultThatIsNone(t *testing.T) {
	for name, fault := range map[string]func(*pluginserver.Event, error) pluginserver.Calls{
		"panics":        func(*pluginserver.Event, error) pluginserver.Calls { panic("boom") },
		"does not exit": func(*pluginserver.Event, error) pluginserver.Calls { return pluginserver.Calls{} },
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, panics{}, func(o *pluginserver.Options) { o.Fault = fault })
			k := r.dial()
			k.event(k.startInstance("{}"), 3)
			k.expectFault()
		})
	}
}

// A fault's answer may depend on what Kong says; where the connection ends instead, so
// does the event, and the server goes on.
func TestAFaultMayAskKong(t *testing.T) {
	r := start(t, handler(func(e *pluginserver.Event) error {
		e.Tell(setHeader)
		if _, err := e.Ask(askCert); err != nil {
			return err
		}
		e.Tell(setHeader) // not sent
		e.Exit(exit401)   // not sent
		return errors.New("no")
	}), func(o *pluginserver.Options) {
		o.Fault = func(e *pluginserver.Event, _ error) pluginserver.Calls {
			replies, err := e.Ask(askCert)
			if err != nil || string(replies[0]) != "yes" {
				return exit401
			}
			return exit500
		}
	})
	id := r.dial().startInstance("{}")
	for _, ends := range []bool{true, false} {
		k := r.dial()
		k.event(id, 3)
		k.receive()
		k.receive() // set_header
		k.expect("kong.nginx.get_var")
		k.receive()
		k.send(nil)
		k.send([]byte("cert"))
		k.expect("kong.nginx.get_var")
		k.receive()
		if ends {
			k.Close()
			continue
		}
		k.send([]byte("yes"))
		k.expectFault()
	}
}

func TestAReplyOverTheLimitIsAFault(t *testing.T) {
	r := start(t, handler(passing))
	k := r.dial()
	k.event(k.startInstance("{}"), 3)
	k.receive()
	k.receive()
	go func() {
		k.send(bytes.Repeat([]byte("x"), 1<<20+1))
	}()
	k.expectFault()
}

// panics is a plugin whose Start panics.
type panics struct{}

func (panics) Start([]byte) pluginserver.Instance { panic("boom") }

func TestAPanicInStartIsTheFaultOfItsEvents(t *testing.T) {
	r := start(t, panics{})
	k := r.dial()
	k.event(k.startInstance("{}"), 3)
	k.expectFault()
}

func TestConnectionsThatAreClosed(t *testing.T) {
	for name, frame := range map[string]string{
		"no protobuf":         "ffffffff",
		"no command":          "0801",
		"an empty call":       "",
		"an unknown instance": "a2020a 0801 1206616363657373 0803",
		"another plugin":      "8a02070a056f74686572 0802",
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, handler(passing))
			k := r.dial()
			k.send(unhex(t, frame))
			k.expectClosed()
			r.dial().startInstance("{}") // others are served on
		})
	}
}

func TestAFrameThatClaimsAGigabyteCostsNothing(t *testing.T) {
	r := start(t, handler(passing))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 8 {
		k := r.dial()
		k.Write([]byte{0, 0, 0, 0x40})
		k.expectClosed()
	}
	runtime.ReadMemStats(&after)
	if spent := after.TotalAlloc - before.TotalAlloc; spent > 4<<20 {
		t.Errorf("eight frames that claim 1 GiB made the server allocate %d bytes", spent)
	}
}

func TestCutConnections(t *testing.T) {
	r := start(t, handler(passing))
	id := r.dial().startInstance("{}")
	for _, cut := range []func(k kong){
		func(k kong) {},
		func(k kong) { k.Write([]byte{9}) },
		func(k kong) { k.Write([]byte{9, 0, 0, 0, 1, 2}) },
		func(k kong) { k.event(id, 3) },
		func(k kong) { k.event(id, 3); k.receive(); k.receive() },
		func(k kong) { k.event(id, 3); k.receive(); k.receive(); k.Write([]byte{200, 0, 0, 0, 1}) },
		func(k kong) { k.event(id, 3); k.receive(); k.receive(); k.send(nil); k.receive() },
	} {
		k := r.dial()
		cut(k)
		k.Close()
	}
	k := r.dial()
	k.event(id, 9)
	k.receive()
	k.receive()
	k.send(nil)
	k.receive()
	k.receive()
	k.expectReturn(9)
}

// Kong's replies have no id: one that comes twice is never taken for the next call's.
func TestBytesThatWereNotAskedFor(t *testing.T) {
	twice := handler(func(e *pluginserver.Event) error {
		for range 2 {
			if _, err := e.Ask(askCert); err != nil {
				return err
			}
		}
		e.Pass(setHeader)
		return nil
	})
	for _, test := range []struct {
		name  string
		calls int    // that are answered once before
		extra string // what comes twice
	}{
		{"the call", 0, "call"},
		{"the first reply", 0, "reply"},
		{"the last reply", 1, "reply"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := start(t, twice)
			k := r.dial()
			id := k.startInstance("{}")
			if test.extra == "call" {
				event, err := proto.Marshal(&kong_plugin_protocol.RpcCall{Sequence: 3, Call: &kong_plugin_protocol.RpcCall_CmdHandleEvent{
					CmdHandleEvent: &kong_plugin_protocol.CmdHandleEvent{InstanceId: id, EventName: "access"}}})
				if err != nil {
					t.Fatal(err)
				}
				k.sendTwice(event)
				k.expectFault()
				return
			}
			k.event(id, 3)
			for range test.calls {
				k.expect("kong.nginx.get_var")
				k.receive()
				k.send([]byte("cert"))
			}
			k.expect("kong.nginx.get_var")
			k.receive()
			k.sendTwice([]byte("cert"))
			k.expectFault()
		})
	}
}

// sendTwice sends a frame that comes twice at once.
func (k kong) sendTwice(frame []byte) {
	k.t.Helper()
	framed := append(binary.LittleEndian.AppendUint32(nil, uint32(len(frame))), frame...)
	if _, err := k.Write(append(framed, framed...)); err != nil {
		k.t.Fatalf("writing a frame twice: %v", err)
	}
}

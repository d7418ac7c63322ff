package pluginserver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	pdk "github.com/Kong/go-pdk"
	"github.com/Kong/go-pdk/server/kong_plugin_protocol"

	"mtls-auth/mtlsauth/internal/pluginserver"
)

func contextOf(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

// passing asks one question, states one thing and passes: the plugin of which
// Kong 3.9.1's bytes were recorded.
func passing(e *pluginserver.Event) error {
	if _, err := e.Ask(askCert); err != nil {
		return err
	}
	e.Pass(setHeader)
	return nil
}

func TestBytesOfAPass(t *testing.T) {
	r := start(t, handler(passing))
	k := r.dial()
	id := k.startInstance("{}")
	before := r.writes.Load()
	k.event(id, 3)
	k.expect("kong.nginx.get_var")
	k.expect("\n\x13ssl_client_raw_cert")
	k.send([]byte("\n\x04cert"))
	// What go-pdk sends for the same plugin, here in one write.
	want := unhex(t, "1f000000 6b6f6e672e736572766963652e726571756573742e7365745f686561646572"+
		"1a000000 0a11582d436c69656e742d436572742d4c656e 12051a03373934"+
		"00000000"+"02000000 0803")
	got := make([]byte, len(want))
	if _, err := io.ReadFull(k, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("got %x (%v), want %x", got, err, want)
	}
	k.send(nil) // the reply that set_header is owed
	if n := r.writes.Load() - before; n != 2 {
		t.Errorf("the event took %d writes, want 2: the question, and all the rest", n)
	}
}

func TestQuestionsGoOutInOneWrite(t *testing.T) {
	got := make(chan [][]byte, 1)
	r := start(t, handler(func(e *pluginserver.Event) error {
		e.Tell(setHeader)
		replies, err := e.Ask(askBoth)
		for i := range replies {
			replies[i] = bytes.Clone(replies[i])
		}
		got <- replies
		e.Pass(pluginserver.Calls{})
		return err
	}))
	k := r.dial()
	id := k.startInstance("{}")
	before := r.writes.Load()
	k.event(id, 3)
	for _, want := range []string{
		"kong.service.request.set_header", "\n\x11X-Client-Cert-Len\x12\x05\x1a\x03794",
		"kong.nginx.get_var", "\n\x13ssl_client_raw_cert",
		"kong.ctx.shared.get", "\n\x05chain",
	} {
		k.expect(want)
	}
	if n := r.writes.Load() - before; n != 1 {
		t.Errorf("one statement and two questions took %d writes, want 1", n)
	}
	k.send([]byte("whatever set_header says"))
	k.send([]byte("first"))
	k.send([]byte("second"))
	k.expectReturn(3)
	if replies := <-got; string(bytes.Join(replies, []byte("|"))) != "first|second" {
		t.Errorf("got replies %q, want first and second", replies)
	}
}

// A reply that one event is owed must never be taken for what the next one
// asked, or for a call.
func TestOwedRepliesNeverReachTheNextEvent(t *testing.T) {
	var got []string
	r := start(t, handler(func(e *pluginserver.Event) error {
		replies, err := e.Ask(askCert)
		if err != nil {
			return err
		}
		got = append(got, string(replies[0]))
		e.Tell(setHeader)
		e.Pass(setHeader)
		return nil
	}))
	k := r.dial()
	id := k.startInstance("{}")
	for _, cert := range []string{"one", "two"} {
		k.event(id, 7)
		k.receive()
		k.receive()
		k.send([]byte(cert))
		for range 2 {
			k.expect("kong.service.request.set_header")
			k.receive()
		}
		k.expectReturn(7)
		k.send([]byte("forged certificate"))
		k.send(bytes.Repeat([]byte("x"), 2<<20))
	}
	k.event(id, 8)
	k.expect("kong.nginx.get_var")
	if strings.Join(got, " ") != "one two" {
		t.Errorf("the events were told %q, want one and two", got)
	}
}

func TestExitIsNotAnsweredAndEndsTheConnection(t *testing.T) {
	r := start(t, handler(func(e *pluginserver.Event) error {
		e.Tell(setHeader)
		e.Exit(exit401)
		e.Pass(pluginserver.Calls{}) // too late: the first counts
		return nil
	}))
	k := r.dial()
	k.event(k.startInstance("{}"), 3)
	k.expect("kong.service.request.set_header")
	k.receive()
	k.send(nil)
	k.expect("kong.response.exit")
	k.receive()
	// Nothing more comes, and the connection stays until Kong closes it.
	k.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := k.Read(make([]byte, 1)); n != 0 || !isTimeout(err) {
		t.Fatalf("after an exit got %d bytes and %v, want silence", n, err)
	}
	k.CloseWrite()
	k.expectClosed()
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

func TestInstancesAreTold(t *testing.T) {
	r := start(t, handler(passing))
	k := r.dial()
	id := k.startInstance("{}")
	other := k.startInstance("{}")
	if other == id {
		t.Fatalf("two instances have id %d", id)
	}
	k.call(&kong_plugin_protocol.RpcCall{Sequence: 4, Call: &kong_plugin_protocol.RpcCall_CmdGetInstanceStatus{
		CmdGetInstanceStatus: &kong_plugin_protocol.CmdGetInstanceStatus{InstanceId: id}}})
	if got := k.answer().GetInstanceStatus().GetInstanceId(); got != id {
		t.Errorf("status of instance %d is that of %d", id, got)
	}
	k.call(&kong_plugin_protocol.RpcCall{Sequence: 5, Call: &kong_plugin_protocol.RpcCall_CmdCloseInstance{
		CmdCloseInstance: &kong_plugin_protocol.CmdCloseInstance{InstanceId: id}}})
	k.answer()
	k.event(id, 6) // on its way when the instance was closed: still decided
	k.expect("kong.nginx.get_var")
}

func TestManyConnectionsAtOnce(t *testing.T) {
	r := start(t, handler(func(e *pluginserver.Event) error {
		replies, err := e.Ask(askCert)
		if err != nil {
			return err
		}
		// The answer must be the one to this connection's question.
		e.Pass(record(func(kong *pdk.PDK) { kong.ServiceRequest.SetHeader("X", string(replies[0])) }))
		return nil
	}))
	id := r.dial().startInstance("{}")
	var wg sync.WaitGroup
	for i := range 32 {
		k := r.dial()
		wg.Go(func() {
			for n := range 50 {
				cert := strings.Repeat(string(rune('a'+i%26)), 1+n)
				k.event(id, int64(n+1))
				k.receive()
				k.receive()
				k.send([]byte(cert))
				k.receive()
				if args := k.receive(); !bytes.Contains(args, []byte(cert)) {
					t.Errorf("connection %d was answered %q, want %q in it", i, args, cert)
				}
				k.expectReturn(int64(n + 1))
				k.send(nil)
			}
		})
	}
	wg.Wait()
}

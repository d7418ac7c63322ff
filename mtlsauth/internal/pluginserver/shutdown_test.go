package pluginserver_test

import (
	"os"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/pluginserver"
)

func TestShutdownLetsARunningEventFinish(t *testing.T) {
	r := start(t, handler(passing))
	k, idle := r.dial(), r.dial()
	id := k.startInstance("{}")
	idle.startInstance("{}")
	k.event(id, 3)
	k.receive()
	k.receive()
	ended := make(chan struct{})
	go func() {
		ctx, cancel := contextOf(5 * time.Second)
		defer cancel()
		r.Shutdown(ctx)
		close(ended)
	}()
	idle.expectClosed()
	idle.Close()
	select {
	case <-ended:
		t.Fatal("Shutdown returned while an event was running")
	case <-time.After(100 * time.Millisecond):
	}
	k.send(nil)
	k.receive()
	k.receive()
	k.expectReturn(3)
	k.send(nil)
	begin := time.Now()
	k.expectClosed()
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("the connection was closed %v after its event", took)
	}
	k.Close()
	<-ended
}

// Kong need not notice: an idle connection delays nothing.
func TestShutdownDoesNotWaitForIdleConnections(t *testing.T) {
	r := start(t, handler(passing))
	r.dial().startInstance("{}") // stays open
	begin := time.Now()
	ctx, cancel := contextOf(5 * time.Second)
	defer cancel()
	r.Shutdown(ctx)
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("Shutdown took %v", took)
	}
}

func TestAConnectionThatComesTooLate(t *testing.T) {
	r := start(t, handler(passing))
	k := r.dial()
	id := k.startInstance("{}")
	k.event(id, 3) // delays the server's end
	k.receive()
	k.receive()
	go func() {
		ctx, cancel := contextOf(5 * time.Second)
		defer cancel()
		r.Shutdown(ctx)
	}()
	late := r.dial() // in the listener's queue, or just accepted
	begin := time.Now()
	late.expectClosed()
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("a late connection was closed after %v", took)
	}
	k.send(nil)
	k.receive()
	k.receive()
	k.expectReturn(3)
}

// Kong may send an event at the very moment at which the server hangs up. A
// reset would be a 500; after an orderly end Kong asks the next server.
func TestAnEventSentIntoAHungUpConnectionMeetsNoReset(t *testing.T) {
	r := start(t, handler(passing))
	k := r.dial()
	id := k.startInstance("{}")
	ended := make(chan struct{})
	go func() {
		ctx, cancel := contextOf(5 * time.Second)
		defer cancel()
		r.Shutdown(ctx)
		close(ended)
	}()
	time.Sleep(10 * time.Millisecond) // the server has hung up, Kong has not looked
	k.event(id, 3)
	k.expectClosed()
	k.Close()
	<-ended
}

func TestShutdownCutsWhatDoesNotEnd(t *testing.T) {
	r := start(t, handler(passing))
	k := r.dial()
	k.event(k.startInstance("{}"), 3)
	k.receive()
	k.receive() // and never reply
	ctx, cancel := contextOf(50 * time.Millisecond)
	defer cancel()
	begin := time.Now()
	r.Shutdown(ctx)
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("Shutdown took %v with a grace of 50 ms", took)
	}
}

func TestRunEndsWithStdin(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	s := newServer(t, handler(passing))
	l, err := pluginserver.Listen(t.TempDir()+"/s", 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(l, in, func() {}) }()
	select {
	case err := <-ended:
		t.Fatalf("Run returned %v while stdin was open", err)
	case <-time.After(100 * time.Millisecond):
	}
	out.Close()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Run goes on after the end of stdin")
	}
}

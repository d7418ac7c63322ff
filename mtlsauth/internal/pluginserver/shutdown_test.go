package pluginserver_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/Kong/go-pdk/server/kong_plugin_protocol"
	"google.golang.org/protobuf/proto"

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
	ended := r.shutsDown(idle)
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
// statusCall is the frame of a call that asks for an instance.
func statusCall(t *testing.T, id int32) []byte {
	t.Helper()
	call, err := proto.Marshal(&kong_plugin_protocol.RpcCall{Sequence: 4, Call: &kong_plugin_protocol.RpcCall_CmdGetInstanceStatus{
		CmdGetInstanceStatus: &kong_plugin_protocol.CmdGetInstanceStatus{InstanceId: id}}})
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(call))), call...)
}

// shutsDown begins a shutdown and returns when the server drains, which a connection without
// a call shows. The channel is closed when it is over.
func (r *running) shutsDown(idle kong) (over <-chan struct{}) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ctx, cancel := contextOf(30 * time.Second)
		defer cancel()
		r.Shutdown(ctx)
	}()
	idle.expectClosed()
	idle.Close()
	return ended
}

// A call that has come when the one before it ends is answered, and then the connection
// ends: here with the last reply of an event.
func TestShutdownAnswersACallBehindAReply(t *testing.T) {
	r := start(t, handler(passing))
	k, idle := r.dial(), r.dial()
	id := k.startInstance("{}")
	idle.startInstance("{}")
	k.event(id, 3)
	k.receive()
	k.receive()
	r.shutsDown(idle)
	k.send(nil)
	k.receive()
	k.receive()
	k.expectReturn(3)
	k.Write(append(make([]byte, 4), statusCall(t, id)...)) // the reply that is owed is an empty frame
	if answer := k.answer(); answer.Sequence != 4 || answer.GetInstanceStatus().GetInstanceId() != id {
		t.Errorf("got %v", answer)
	}
	k.expectClosed()
}

// slowStart is a plugin whose second instance is started when it may be.
type slowStart struct {
	pluginserver.Plugin
	begun, may chan struct{}
}

func (p slowStart) Start(config []byte) pluginserver.Instance {
	if string(config) == "slow" {
		close(p.begun)
		<-p.may
	}
	return p.Plugin.Start(config)
}

// Here while the answer is written.
func TestShutdownAnswersACallThatIsInTheSocket(t *testing.T) {
	plugin := slowStart{handler(passing), make(chan struct{}), make(chan struct{})}
	r := start(t, plugin)
	k, idle := r.dial(), r.dial()
	id := idle.startInstance("{}")
	started := make(chan int32, 1)
	go func() { started <- k.startInstance("slow") }()
	<-plugin.begun
	r.shutsDown(idle)
	next := statusCall(t, id)
	r.wrote.Store(func() { k.Write(next) })
	close(plugin.may)
	<-started
	if answer := k.answer(); answer.Sequence != 4 || answer.GetInstanceStatus().GetInstanceId() != id {
		t.Errorf("got %v", answer)
	}
	k.expectClosed()
}

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

// Kong's worker 0 has ended. Where Kong's master lives, there will be another worker, with
// another server; until then this one goes on. Where the master has ended too, Kong was
// stopped.
func TestRunEndsWithStdin(t *testing.T) {
	const soon = time.Second // half of the wait for another server
	for _, test := range []struct {
		name     string
		file     func(pid int) string // the PID file's contents
		ends     bool                 // the master ends after its worker
		atOnce   bool
		noMaster bool // it has ended before its worker
	}{
		{name: "Kong runs", file: func(pid int) string { return fmt.Sprintln(pid) }},
		{name: "Kong ends", file: func(pid int) string { return fmt.Sprintln(pid) }, ends: true, atOnce: true},
		{name: "Kong has ended", file: func(pid int) string { return fmt.Sprintln(pid) }, noMaster: true, atOnce: true},
		{name: "an empty PID file", file: func(int) string { return "" }, noMaster: true},
		{name: "no number", file: func(int) string { return "x" }, noMaster: true},
		{name: "a number that is no process", file: func(int) string { return "-1" }, noMaster: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			master := exec.Command("sleep", "60")
			if err := master.Start(); err != nil {
				t.Fatal(err)
			}
			endMaster := sync.OnceFunc(func() { master.Process.Kill(); master.Wait() })
			defer endMaster()
			pidFile := filepath.Join(t.TempDir(), "nginx.pid")
			if err := os.WriteFile(pidFile, []byte(test.file(master.Process.Pid)), 0o600); err != nil {
				t.Fatal(err)
			}
			in, out, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			s := newServer(t, handler(passing), pidFile)
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
			if test.noMaster {
				endMaster()
			}
			began := time.Now()
			out.Close()
			if test.ends {
				time.Sleep(100 * time.Millisecond)
				endMaster()
			}
			select {
			case err := <-ended:
				if took := time.Since(began); err != nil || (took < soon) != test.atOnce {
					t.Errorf("Run: %v after %v, want at once: %v", err, took, test.atOnce)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("Run goes on after the end of stdin")
			}
		})
	}
}

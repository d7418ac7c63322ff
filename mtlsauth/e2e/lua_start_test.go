package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// twoLines leaves kong.conf with the two lines that the README has: no plugin server.
func twoLines(o *realkong.Options) {
	o.QueryCommand, o.StartCommand = "", ""
	o.Plugins = append(o.Plugins, "mtls-auth")
}

// newTwoLineRig starts a real Kong with them, and waits for the server.
func newTwoLineRig(t *testing.T, authorities cas, plugins routes, change ...func(*realkong.Options)) *rig {
	t.Helper()
	needsKong(t)
	r := newLuaRig(t, authorities, plugins, slices.Concat([]func(*realkong.Options){twoLines}, change)...)
	r.socket = r.prefix + "/mtls-auth.socket"
	awaitSocket(t, r.socket)
	return r
}

// passesWithin fails unless a new certificate passes by then; whatever else it gets
// meanwhile must be 500.
func (r *rig) passesWithin(what string, root *pki.Certificate, most time.Duration) {
	r.t.Helper()
	began := time.Now()
	for i := 0; ; i++ {
		got := r.get("/echo", root.Client(fmt.Sprintf("%s %d", what, i)))
		took := time.Since(began)
		if got.status == 200 && took <= most {
			r.t.Logf("%s: a new certificate passed after %v, after %d times 500", what, took, i)
			return
		}
		if got.status != 500 || took > most {
			r.t.Errorf("%s: got %d %q after %v, want 200 within %v", what, got.status, got.message, took, most)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Two lines of kong.conf are all: the Lua plugin starts the server, restarts it, and ends
// it with Kong.
func TestLuaTwoLines(t *testing.T) {
	root := pki.NewCA("root")
	r := newTwoLineRig(t, cas{idA: root}, routes{"/echo": trusted([]string{idA})}, twoWorkers)
	r.expect("none sent", r.get("/echo", nil), 401, noneSent)
	r.passesWithin("after the start", root, 2*time.Second)
	for range 6 { // both workers
		if r.AdminURL() == "" {
			break
		}
		resp, err := http.Get(r.AdminURL() + "/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("GET / of the Admin API: %s", resp.Status)
		}
	}
	one := func(what string) {
		t.Helper()
		var pids []int
		for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(100 * time.Millisecond) {
			if pids = r.servers(); slices.Equal(pids, []int{r.Process().PID()}) {
				return
			}
		}
		t.Errorf("%s: the servers are %v, and %d listens", what, pids, r.Process().PID())
	}
	one("after the start")

	l := r.startLoad(6, "/echo", root.Client("client"), pki.NewCA("stranger").Client("client"), 500)
	time.Sleep(12 * time.Second) // long enough for a restart at once
	for i := range 3 {
		before := r.Process().PID()
		r.Process().Kill()
		r.passesWithin(fmt.Sprintf("kill %d", i), root, 1500*time.Millisecond)
		if now := r.Process().PID(); now == before || now == 0 {
			t.Errorf("kill %d: process %d listens", i, now)
		}
		time.Sleep(12 * time.Second)
	}
	l.end(t)
	one("after the kills")

	l = r.startLoad(6, "/echo", root.Client("client"), pki.NewCA("stranger").Client("client"))
	for i := range 10 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if err := r.Reload(ctx); err != nil {
			t.Fatalf("reload %d: %v", i, err)
		}
		cancel()
		r.expect("a new certificate after a reload", r.get("/echo", root.Client("new")), 200, "")
	}
	l.end(t)
	one("after the reloads")

	worker := parentOf(t, r.Process().PID())
	if err := syscall.Kill(worker, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "there is another worker", func() bool {
		now, err := r.kong.(real).Workers()
		return err == nil && len(now) == 2 && !slices.Contains(now, worker)
	})
	one("after worker 0 was killed")
	r.passesWithin("after worker 0 was killed", root, 1500*time.Millisecond)

	// A reload with traffic is no warning.
	for _, line := range r.Log().Lines() {
		if line.Level != errlog.Info && strings.Contains(line.Text, "closing a connection of Kong") {
			t.Errorf("logged %s", line.Text)
			break
		}
	}
	r.Close()
	eventually(t, "Kong was stopped: no server is left", func() bool { return len(r.servers()) == 0 })
}

// A server that answers already is used, and not replaced.
func TestLuaUsesAServerThatRuns(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	needsKong(t)
	r := newLuaRig(t, cas{idA: root}, routes{"/echo": trusted([]string{idA})}, twoLines, func(o *realkong.Options) {
		o.Environment = append(o.Environment, "MTLS_AUTH_BIN=/bin/false")
	})
	beside := startProgram(t, r.prefix, nil)
	awaitSocket(t, r.prefix+"/mtls-auth.socket")
	r.passesWithin("started beside Kong", root, 5*time.Second)
	time.Sleep(3 * time.Second)
	if pid := r.Process().PID(); pid != beside.Process.Pid {
		t.Errorf("process %d listens, want %d", pid, beside.Process.Pid)
	}
}

package e2e

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// servers returns the processes that serve a rig's prefix.
func (r *rig) servers() []int {
	r.t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		r.t.Fatal(err)
	}
	var pids []int
	for _, file := range files {
		text, err := os.ReadFile(file)
		args := strings.Split(string(bytes.TrimRight(text, "\x00")), "\x00")
		if err == nil && filepath.Base(args[0]) == "mtls-auth" && slices.Contains(args, r.prefix) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// Kong is reloaded, and its workers are killed: a server each time, which takes
// over and does not stay.
func TestLuaReloadsAndWorkersThatDie(t *testing.T) {
	t.Parallel()
	ofTime(t)
	root := pki.NewCA("root")
	r := newLuaRig(t, cas{idA: root}, routes{"/echo": trusted([]string{idA})}, twoWorkers)
	l := r.startLoad(6, "/echo", root.Client("client"), pki.NewCA("stranger").Client("client"))
	for i := range times(1, 10) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if err := r.Reload(ctx); err != nil {
			t.Fatalf("reload %d: %v", i, err)
		}
		cancel()
		r.expect("a new certificate after a reload", r.get("/echo", root.Client("new")), 200, "")
	}
	l.end(t)
	one := func() bool { return slices.Equal(r.servers(), []int{r.Process().PID()}) }
	// Old workers end when nothing of theirs runs any more.
	for began := time.Now(); !one() && time.Since(began) < 30*time.Second; {
		time.Sleep(100 * time.Millisecond)
	}
	if !one() {
		t.Errorf("after the reloads the servers are %v, and Kong's is %d", r.servers(), r.Process().PID())
	}

	if _, ok := r.kong.(real); !ok {
		return // a fake Kong has no worker processes
	}
	pid := r.Process().PID()
	first := parentOf(t, pid) // worker 0 starts the server
	var workers []int
	eventually(t, "there are two workers, of which one is the server's parent", func() bool {
		var err error
		workers, err = r.kong.(real).Workers()
		return err == nil && len(workers) == 2 && slices.Contains(workers, first)
	})
	second := workers[0] + workers[1] - first
	for name, worker := range map[string]int{"worker 0": first, "worker 1": second} {
		if err := syscall.Kill(worker, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, name+" was killed: there is another", func() bool {
			now, err := r.kong.(real).Workers()
			return err == nil && len(now) == 2 && !slices.Contains(now, worker)
		})
		eventually(t, name+" was killed: there is one server, Kong's", func() bool { return one() && (worker == second || r.Process().PID() != pid) })
		eventually(t, name+" was killed: a new certificate passes in every worker", func() bool {
			for range 6 {
				if a, err := fetch(r.client(root.Client("new")), r.URLTLS()+"/echo"); err != nil || a.status != 200 {
					return false
				}
			}
			return true
		})
	}
	r.Close()
	eventually(t, "Kong was stopped: no server is left", func() bool { return len(r.servers()) == 0 })
}

// parentOf returns a process's parent (proc_pid_stat(5)).
func parentOf(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		t.Fatal(err)
	}
	return parent
}

package process_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/fakekong/process"
)

const good = `{"Protocol":"ProtoBuf:1","SocketPath":"/p/x.socket","Plugins":[{"Name":"x","Phases":["access"],"Version":"1.2.3","Priority":1600,"Schema":{"name":"x"}}]}`

func TestQuery(t *testing.T) {
	t.Setenv("MTLS_TEST_NAME", "x")
	info, err := process.Query(context.Background(), `test "$MTLS_TEST_NAME" = x && echo '`+good+`'; echo noise >&2`)
	if err != nil {
		t.Fatal(err)
	}
	if info.Name != "x" || info.Priority != 1600 || info.Version != "1.2.3" || info.SocketPath != "/p/x.socket" || string(info.Schema) != `{"name":"x"}` {
		t.Errorf("info %+v", info)
	}
	for _, test := range []struct{ name, out, want string }{
		{"nothing", "", "failed decoding plugin info"},
		{"a word before", "hello " + good, "failed decoding plugin info"},
		{"a word behind", good + " bye", "more than one JSON value"},
		{"two plugins", strings.Replace(good, `"Plugins":[`, `"Plugins":[{"Name":"y"},`, 1), "2 plugins"},
		{"no plugin", `{"Protocol":"ProtoBuf:1","Plugins":[]}`, "0 plugins"},
		{"version", strings.Replace(good, "1.2.3", "1.2", 1), `VERSION "1.2" must be of the form x.y.z`},
		{"priority", strings.Replace(good, "1600", "1.5", 1), "PRIORITY 1.5 must be an integer"},
		{"no priority", strings.Replace(good, `"Priority":1600,`, "", 1), "must be an integer"},
		{"protocol", strings.Replace(good, "ProtoBuf:1", "MsgPack:1", 1), `"MsgPack:1"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			info, err := process.Query(context.Background(), "printf %s '"+test.out+"'")
			if err == nil || info != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("info %v, error %v, want %q", info, err, test.want)
			}
		})
	}
	if _, err := process.Query(context.Background(), "echo why >&2; exit 3"); err == nil || !strings.Contains(err.Error(), "why") {
		t.Errorf("error %v, want what the command said", err)
	}
}

func start(t *testing.T, command string) (*process.Server, *errlog.Log) {
	t.Helper()
	log := errlog.New(errlog.Info, nil)
	s, err := process.Start("x", command, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop(2 * time.Second) })
	return s, log
}

func waitLog(t *testing.T, log *errlog.Log, level errlog.Level, text string, n int) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); log.Count(level, text) < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not %d lines [%s] with %q in %v", n, level, text, log.Lines())
		}
	}
}

// The environment is PWD alone (and what the shell itself adds), standard
// input a pipe, standard output and error one log at info.
func TestEnvironmentAndOutput(t *testing.T) {
	t.Setenv("MTLS_TEST_NAME", "x")
	s, log := start(t, `/bin/sh -c 'env; test -p /dev/stdin && echo pipe; echo err >&2; exec sleep 100'`)
	waitLog(t, log, errlog.Info, fmt.Sprintf("[x:%d] err", s.PID()), 1)
	waitLog(t, log, errlog.Info, "] pipe", 1)
	waitLog(t, log, errlog.Info, "] PWD=", 1)
	for _, no := range []string{"MTLS_TEST_NAME", "PATH=", "HOME="} {
		if log.Count(errlog.Info, no) != 0 {
			t.Errorf("%s in the environment: %v", no, log.Lines())
		}
	}
}

func TestRespawn(t *testing.T) {
	t.Parallel()
	s, log := start(t, `/bin/sleep 100`)
	first, begin := s.PID(), time.Now()
	s.Kill()
	waitLog(t, log, errlog.Notice, "external pluginserver 'x' terminated: signal 9", 1)
	waitLog(t, log, errlog.Notice, "started, pid", 2)
	if d := time.Since(begin); d < 900*time.Millisecond {
		t.Errorf("the next one started %v after the first", d)
	}
	if s.PID() == first {
		t.Error("same pid")
	}
	// Up for over a second: the next comes at once.
	time.Sleep(1100 * time.Millisecond)
	begin = time.Now()
	s.Kill()
	waitLog(t, log, errlog.Notice, "started, pid", 3)
	if d := time.Since(begin); d > 500*time.Millisecond {
		t.Errorf("respawned only after %v", d)
	}
}

func TestRespawnWhateverItDiedOf(t *testing.T) {
	t.Parallel()
	_, log := start(t, `/bin/sh -c 'exit 0'`)
	waitLog(t, log, errlog.Notice, "terminated: exit 0", 2)
	_, log = start(t, `/nowhere/plugin`)
	waitLog(t, log, errlog.Error, `exited with "command not found"`, 2)
}

func TestStopSendsTERMAndEndsStdin(t *testing.T) {
	dir := t.TempDir()
	mark := filepath.Join(dir, "term")
	s, log := start(t, `/bin/sh -c 'trap "echo got TERM; : > `+mark+`; exit 0" TERM; echo up; while :; do /bin/sleep 0.05; done'`)
	waitLog(t, log, errlog.Info, "] up", 1)
	pid := s.PID()
	s.Stop(5 * time.Second)
	if _, err := os.Stat(mark); err != nil {
		t.Errorf("no SIGTERM: %v", log.Lines())
	}
	if err := syscall.Kill(pid, 0); err == nil {
		t.Error("the process is still there")
	}
	waitLog(t, log, errlog.Notice, "not respawned", 1)
}

func TestCloseStdin(t *testing.T) {
	s, log := start(t, `/bin/cat`)
	time.Sleep(50 * time.Millisecond)
	if log.Count(errlog.Notice, "terminated") != 0 {
		t.Fatal("standard input ended by itself")
	}
	s.CloseStdin()
	waitLog(t, log, errlog.Notice, "terminated: exit 0", 1)
}

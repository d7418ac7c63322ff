package faults

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// Kinds of faults: what they may make of requests.
const (
	process = "process" // no server for a while, and what it did not store is gone
	evident = "evident" // evidence about status is missing
	storage = "storage" // what the server stores may be lost
	change  = "change"  // nothing at all is wrong
)

// fault is something that happens. begin returns what ends it, nil for nothing.
// Of faults on the same folder one ends before the next begins.
type fault struct {
	name  string
	kinds string
	begin func(*simulation) func()
	on    string
}

const spoilt = "frames are spoilt"

var faults = []fault{
	{"the server is killed", process, func(s *simulation) func() { s.signal(syscall.SIGKILL); return nil }, ""},
	{"the server is asked to end", process, func(s *simulation) func() { s.signal(syscall.SIGTERM); return nil }, ""},
	{"the server is stopped", process + evident, func(s *simulation) func() {
		pid := s.signal(syscall.SIGSTOP)
		return func() { syscall.Kill(pid, syscall.SIGCONT) }
	}, ""},
	{"the server reads all again", change, func(s *simulation) func() { s.signal(syscall.SIGHUP); return nil }, ""},
	{"two more servers start", process, func(s *simulation) func() { return s.twoMore() }, ""},
	{"two servers start as one is killed", process, func(s *simulation) func() {
		s.signal(syscall.SIGKILL)
		return s.twoMore()
	}, ""},
	{"the workers are replaced", process, func(s *simulation) func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s.must(s.kong.Reload(ctx))
		return nil
	}, ""},
	{"the socket is removed", process, func(s *simulation) func() { os.Remove(s.socket); return nil }, ""},
	{"the socket is a file", process, func(s *simulation) func() {
		s.replaceSocket(func(path string) error { return os.WriteFile(path, nil, 0o600) })
		return nil
	}, ""},
	{"the socket is a dead one", process, func(s *simulation) func() {
		s.replaceSocket(func(path string) error {
			listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
			if err != nil {
				return err
			}
			listener.SetUnlinkOnClose(false)
			return listener.Close()
		})
		return nil
	}, ""},
	{"the socket is another's, and full", process, func(s *simulation) func() {
		var deaf int
		s.replaceSocket(func(path string) (err error) {
			if deaf, err = syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0); err != nil {
				return err
			}
			return errors.Join(syscall.Bind(deaf, &syscall.SockaddrUnix{Name: path}), syscall.Listen(deaf, 0))
		})
		return func() { syscall.Close(deaf) }
	}, ""},
	{spoilt, process, func(s *simulation) func() {
		how := spoils[s.random.IntN(len(spoils))]
		if s.proxy == nil {
			return nil
		}
		s.proxy.spoil(how)
		return func() { s.proxy.spoil("") }
	}, ""},
	{"descriptors run out", process + evident + storage, func(s *simulation) func() {
		pid := s.kong.Process().PID()
		was, err := limitFiles(pid, 24)
		if err != nil {
			return nil // it has ended
		}
		return func() { _, _ = limitFiles(pid, was) }
	}, ""},
	{"OCSP is in trouble", evident, func(s *simulation) func() { return s.trouble(s.a) }, ""},
	{"OCSP is in trouble", evident, func(s *simulation) func() { return s.trouble(s.a) }, ""},
	{"the CRL's host is in trouble", evident, func(s *simulation) func() { return s.trouble(s.b) }, ""},
	{"the Admin API is in trouble", change, func(s *simulation) func() {
		how := adminTroubles[s.random.IntN(len(adminTroubles))]
		if s.admin == nil {
			return nil
		}
		s.admin.setTrouble(how)
		return func() { s.admin.setTrouble("") }
	}, ""},
	{"certificates are revoked", change, func(s *simulation) func() { s.revokeOne(); return nil }, ""},
	{"certificates are revoked", change, func(s *simulation) func() { s.revokeOne(); return nil }, ""},
	{"the CRL in the folder is half written", evident, func(s *simulation) func() {
		s.must(s.d.publish(true))
		return func() { s.must(s.d.publish(false)) }
	}, "crl"},
	{"the folder of CRLs cannot be read", evident, func(s *simulation) func() {
		s.must(os.Rename(s.crlDir, s.crlDir+".away"))
		s.must(os.WriteFile(s.crlDir, nil, 0o600))
		return func() { s.must(errors.Join(os.Remove(s.crlDir), os.Rename(s.crlDir+".away", s.crlDir))) }
	}, "crl"},
	{"what is stored is half written", storage, func(s *simulation) func() { s.truncateState(); return nil }, "state"},
	{"the state folder is a file", storage, func(s *simulation) func() {
		s.must(os.Rename(s.stateDir, fmt.Sprintf("%s.%d", s.stateDir, len(s.began))))
		for os.WriteFile(s.stateDir, nil, 0o600) != nil { // the server has made it again
			s.must(os.RemoveAll(s.stateDir))
		}
		return func() { s.must(errors.Join(os.RemoveAll(s.stateDir), os.MkdirAll(s.stateDir, 0o700))) }
	}, "state"},
	{"the disk is full", storage, func(s *simulation) func() {
		if syscall.Mount("tmpfs", s.stateDir, "tmpfs", 0, "size=8k,mode=0700") != nil {
			return nil // takes more privileges than these tests have
		}
		unmount := func() { _ = syscall.Unmount(s.stateDir, syscall.MNT_DETACH) }
		s.t.Cleanup(unmount)
		return unmount
	}, "state"},
	{"a CRL takes much memory", process + evident, func(s *simulation) func() {
		large := filepath.Join(s.crlDir, "large.crl")
		if err := os.WriteFile(large, largeCRL(), 0o600); err != nil {
			return nil // the folder is away
		}
		return func() { os.Remove(large) }
	}, "crl"},
	{"CA C is removed or added", change, func(s *simulation) func() { s.configure(func(w *world) { w.hasC = !w.hasC }); return nil }, ""},
	{"a consumer is removed or added", change, func(s *simulation) func() { s.configure(func(w *world) { w.consumer = !w.consumer }); return nil }, ""},
	{"the plugin trusts another tenant", change, func(s *simulation) func() { s.configure(func(w *world) { w.others = !w.others }); return nil }, ""},
	{"a credential is another consumer's", change, func(s *simulation) func() {
		s.configure(func(w *world) {
			if w.mapped == "one" {
				w.mapped = "two"
			} else {
				w.mapped = "one"
			}
		})
		return nil
	}, ""},
}

// schedule has faults happen, some of them at once, and ends them all.
func (s *simulation) schedule() {
	for range 8 + s.random.IntN(6) {
		f := faults[s.random.IntN(len(faults))]
		endFirst, pause := s.random.IntN(3) > 0, time.Duration(50+s.random.IntN(400))*time.Millisecond
		s.mu.Lock()
		s.began = append(s.began, event{name: f.name, kinds: f.kinds, at: time.Now()})
		s.mu.Unlock()
		if s.isActive(f.name, f.on) {
			continue
		}
		if end := f.begin(s); end != nil {
			s.active = append(s.active, active{f.name, f.on, end})
		}
		time.Sleep(pause)
		if len(s.active) > 0 && endFirst {
			s.active[0].end()
			s.active = s.active[1:]
		}
	}
	for len(s.active) > 0 {
		last := len(s.active) - 1
		s.active[last].end()
		s.active = s.active[:last]
	}
	s.must(s.d.publish(false)) // what was revoked while the folder was in trouble
	// A server that was replaced by a reload ends later, and may hold the socket until then.
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		pids, kongs := s.servers(), strconv.Itoa(s.kong.Process().PID())
		if slices.Equal(pids, []string{kongs}) {
			return
		}
		if time.Since(began) > time.Minute {
			s.t.Errorf("a minute after the last fault the servers are %v, want Kong's, %s, alone", pids, kongs)
			return
		}
	}
}

// servers returns the processes that serve the prefix.
func (s *simulation) servers() []string {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	s.must(err)
	var pids []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if args := strings.Split(string(text), "\x00"); err == nil && args[0] == program && slices.Contains(args, s.prefix) {
			pids = append(pids, filepath.Base(filepath.Dir(file)))
		}
	}
	return pids
}

// isActive says whether a fault of this name, or on this folder, has not ended.
func (s *simulation) isActive(name, on string) bool {
	return slices.ContainsFunc(s.active, func(a active) bool { return a.name == name || on != "" && a.on == on })
}

// signal sends a signal to the server that Kong has started, and returns its process id.
func (s *simulation) signal(sig syscall.Signal) int {
	pid := s.kong.Process().PID()
	_ = syscall.Kill(pid, sig) // an error says that it has ended
	return pid
}

// twoMore starts two more servers at once. Of those one is killed, and the other's standard
// input ends, when the fault is over.
func (s *simulation) twoMore() func() {
	var servers []*exec.Cmd
	var inputs []*os.File
	for range 2 {
		in, stdin, err := os.Pipe()
		s.must(err)
		cmd := exec.Command("/bin/sh", "-c", "exec "+s.command())
		cmd.Env, cmd.Stdin = []string{}, in
		s.must(cmd.Start())
		in.Close()
		servers, inputs = append(servers, cmd), append(inputs, stdin)
	}
	return func() {
		_ = servers[0].Process.Kill()
		for n, cmd := range servers {
			inputs[n].Close()
			time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
			_ = cmd.Wait()
		}
	}
}

// replaceSocket puts something else at the socket's path in one step.
func (s *simulation) replaceSocket(with func(path string) error) {
	beside := filepath.Join(s.prefix, "beside")
	s.must(with(beside))
	s.must(os.Rename(beside, s.socket))
}

func (s *simulation) trouble(a *authority) func() {
	a.setTrouble(troubles[s.random.IntN(len(troubles))])
	return func() { a.setTrouble("") }
}

// revokeOne revokes a certificate that was good, until there is none left.
func (s *simulation) revokeOne() {
	if len(s.turning) == 0 {
		return
	}
	n := s.random.IntN(len(s.turning))
	c := s.turning[n]
	s.turning = append(s.turning[:n:n], s.turning[n+1:]...)
	c.authority.revoke(c)
	if c.authority.file != "" && !s.isActive("", "crl") {
		s.must(c.authority.publish(false))
	}
}

func (s *simulation) truncateState() {
	_ = filepath.WalkDir(s.stateDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // it is being written
		}
		if info, err := d.Info(); err == nil {
			_ = os.Truncate(path, info.Size()/2)
		}
		return nil
	})
}

// limitFiles sets the limit of open files of a process, and returns the one before
// (prlimit(2)).
func limitFiles(pid int, limit uint64) (was uint64, err error) {
	var next, before syscall.Rlimit
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_NOFILE, 0, uintptr(unsafe.Pointer(&before)), 0, 0); errno != 0 {
		return 0, errno
	}
	next.Cur, next.Max = min(limit, before.Max), before.Max
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&next)), 0, 0, 0); errno != 0 {
		return 0, errno
	}
	return before.Cur, nil
}

package process

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"mtls-auth/mtlsauth/internal/testing/errlog"
)

// respawn is the least time between two starts. There is no other limit: Kong
// starts a plugin server again for ever, whatever it died of.
const respawn = time.Second

// Server keeps a plugin server's process running. Its methods may be called at
// the same time.
type Server struct {
	name    string
	command string
	log     *errlog.Log

	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin *os.File // the end that is never written to

	stop chan struct{} // closed: no new process
	done chan struct{} // closed: no process
	once sync.Once
}

// Start runs the start command as worker 0 of Kong does and keeps it running
// until Stop or Retire. An error is one of starting /bin/sh; what becomes of the
// command is in the log.
func Start(name, command string, log *errlog.Log) (*Server, error) {
	s := &Server{name: name, command: command, log: log, stop: make(chan struct{}), done: make(chan struct{})}
	lines, err := s.spawn()
	if err != nil {
		return nil, err
	}
	go s.keep(lines)
	return s, nil
}

// spawn starts one process: /bin/sh -c "exec COMMAND" with an empty
// environment, to which the shell adds PWD; standard input a pipe that no one
// writes to, so that it ends when this process does; standard output and error
// one pipe. The returned channel is closed when that pipe has ended.
func (s *Server) spawn() (<-chan struct{}, error) {
	s.log.Printf(errlog.Notice, "[kong] process.lua:152 [pluginserver] starting pluginserver process for %s", s.name)
	in, stdin, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making stdin of %s: %w", s.name, err)
	}
	defer in.Close()
	stdout, out, err := os.Pipe()
	if err != nil {
		stdin.Close()
		return nil, fmt.Errorf("making stdout of %s: %w", s.name, err)
	}
	defer out.Close()
	cmd := exec.Command("/bin/sh", "-c", "exec "+s.command)
	cmd.Env = []string{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, out
	if err := cmd.Start(); err != nil {
		stdin.Close()
		stdout.Close()
		return nil, fmt.Errorf("starting %s: %w", s.name, err)
	}
	s.mu.Lock()
	s.cmd, s.stdin = cmd, stdin
	s.mu.Unlock()
	s.log.Printf(errlog.Notice, "[kong] process.lua:162 [pluginserver] started, pid %d", cmd.Process.Pid)
	lines := make(chan struct{})
	go func() {
		defer close(lines)
		defer stdout.Close()
		s.grab(stdout, cmd.Process.Pid)
	}()
	return lines, nil
}

// grab puts what the process prints into the log, at info as Kong does.
func (s *Server) grab(r io.Reader, pid int) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if n := len(line); n > 0 {
			if line[n-1] == '\n' {
				line = line[:n-1]
			}
			s.log.Printf(errlog.Info, "[%s:%d] %s", s.name, pid, line)
		}
		if err != nil {
			return
		}
	}
}

// keep waits for the process's death and starts the next.
func (s *Server) keep(lines <-chan struct{}) {
	defer close(s.done)
	for {
		started := time.Now()
		s.mu.Lock()
		cmd, stdin := s.cmd, s.stdin
		s.mu.Unlock()
		err := cmd.Wait()
		select {
		case <-lines:
		case <-time.After(time.Second): // a child of it may hold the pipe
		}
		stdin.Close()
		s.ended(err)
		for {
			select {
			case <-s.stop:
				s.log.Printf(errlog.Notice, "[kong] process.lua:182 [pluginserver] exiting: pluginserver '%s' not respawned.", s.name)
				return
			case <-time.After(time.Until(started.Add(respawn))):
			}
			if lines, err = s.spawn(); err == nil {
				break
			}
			s.log.Printf(errlog.Error, "[kong] process.lua:153 %s", err)
			started = time.Now()
		}
		select {
		case <-s.stop: // Stop came while it was being started
			s.signal(syscall.SIGTERM)
		default:
		}
	}
}

func (s *Server) ended(err error) {
	reason, status := "exit", 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			reason, status = "signal", int(ws.Signal())
		} else {
			status = exit.ExitCode()
		}
	}
	s.log.Printf(errlog.Notice, "[kong] process.lua:173 external pluginserver '%s' terminated: %s %d", s.name, reason, status)
}

// PID returns the process id of the running process, or of the last.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.Process.Pid
}

// Kill ends the process with SIGKILL; another is started.
func (s *Server) Kill() { s.signal(syscall.SIGKILL) }

// Terminate sends SIGTERM; another process is started when it has ended.
func (s *Server) Terminate() { s.signal(syscall.SIGTERM) }

// CloseStdin ends the process's standard input, as the death of Kong's worker 0
// does.
func (s *Server) CloseStdin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stdin.Close()
}

// Retire says that no new process is to be started when this one ends.
func (s *Server) Retire() { s.once.Do(func() { close(s.stop) }) }

// Stop retires the server, sends SIGTERM and ends standard input, and waits for
// the process's end, for so long at the most; then it is killed. (Kong does not
// wait. A fake Kong that left processes behind would be a bad guest.)
func (s *Server) Stop(wait time.Duration) {
	s.Retire()
	s.signal(syscall.SIGTERM)
	s.CloseStdin()
	s.log.Printf(errlog.Notice, "[kong] process.lua:213 [pluginserver] successfully stopped pluginserver '%s', pid %d", s.name, s.PID())
	select {
	case <-s.done:
	case <-time.After(wait):
		s.signal(syscall.SIGKILL)
		<-s.done
	}
}

func (s *Server) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// An error says that the process has ended already.
	_ = s.cmd.Process.Signal(sig)
}

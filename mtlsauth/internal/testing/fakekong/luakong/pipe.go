package luakong

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// proc is a process of ngx.pipe's, with stdout and stderr merged.
type proc struct {
	cmd         *exec.Cmd
	stdin       *os.File
	out         *os.File
	buffer      []byte
	read, waits time.Duration
	ended       chan struct{} // closed when it has ended
}

func (p *proc) close() {
	p.stdin.Close()
	p.out.SetReadDeadline(time.Now())
}

// loadPipe is ngx.pipe, as far as it runs one process with one output.
func (w *Worker) loadPipe(L *lua.LState) int {
	return module(L, "ngx.pipe", map[string]lua.LGFunction{"spawn": w.spawn})
}

func (w *Worker) spawn(L *lua.LState) int {
	var args []string
	L.CheckTable(1).ForEach(func(_, v lua.LValue) { args = append(args, v.String()) })
	options := L.CheckTable(2)
	if options.RawGetString("merge_stderr") != lua.LTrue {
		return raise(L, "ngx.pipe.spawn without merge_stderr is not emulated")
	}
	milliseconds := func(name string) time.Duration {
		if n, ok := options.RawGetString(name).(lua.LNumber); ok {
			return time.Duration(n) * time.Millisecond
		}
		return 10 * time.Second // its default
	}
	p := &proc{cmd: exec.Command(args[0], args[1:]...), read: milliseconds("stdout_read_timeout"), waits: milliseconds("wait_timeout"), ended: make(chan struct{})}
	if environment, ok := options.RawGetString("environ").(*lua.LTable); ok {
		p.cmd.Env = []string{}
		environment.ForEach(func(_, v lua.LValue) { p.cmd.Env = append(p.cmd.Env, v.String()) })
	}
	if err := p.start(); err != nil {
		return failed(L, err.Error())
	}
	w.procs[p] = true
	go func() {
		_ = p.cmd.Wait() // its state says how it ended
		close(p.ended)
	}()
	L.Push(object(L, p, map[string]lua.LGFunction{
		"pid":              func(L *lua.LState) int { L.Push(lua.LNumber(self[*proc](L).cmd.Process.Pid)); return 1 },
		"stdout_read_line": w.readLine,
		"shutdown": func(L *lua.LState) int {
			if L.CheckString(2) != "stdin" {
				return raise(L, "proc:shutdown of anything but stdin is not emulated")
			}
			self[*proc](L).stdin.Close()
			L.Push(lua.LTrue)
			return 1
		},
		"wait": w.waitProc,
		"kill": func(L *lua.LState) int {
			if err := self[*proc](L).cmd.Process.Signal(syscall.Signal(L.CheckInt(2))); err != nil {
				return failed(L, err.Error())
			}
			L.Push(lua.LTrue)
			return 1
		},
	}))
	return 1
}

func (p *proc) start() error {
	in, stdin, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	out, stdout, err := os.Pipe()
	if err != nil {
		return errors.Join(err, stdin.Close())
	}
	defer stdout.Close()
	p.stdin, p.out = stdin, out
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = in, stdout, stdout
	if err := p.cmd.Start(); err != nil {
		return errors.Join(err, stdin.Close(), out.Close())
	}
	return nil
}

// readLine returns a line without its end; or nil, the error and what had come.
func (w *Worker) readLine(L *lua.LState) int {
	p := self[*proc](L)
	for {
		if line, rest, ok := bytes.Cut(p.buffer, []byte("\n")); ok {
			p.buffer = rest
			L.Push(lua.LString(line))
			return 1
		}
		b := make([]byte, 4096)
		var n int
		var err error
		w.wait(func() {
			p.out.SetReadDeadline(time.Now().Add(p.read))
			n, err = p.out.Read(b)
		})
		p.buffer = append(p.buffer, b[:n]...)
		if w.ctx.Err() != nil {
			err = errKilled
		}
		if err != nil {
			why := "closed"
			if errors.Is(err, os.ErrDeadlineExceeded) {
				why = "timeout"
			}
			failed(L, why)
			L.Push(lua.LString(p.buffer))
			p.buffer = nil
			return 3
		}
	}
}

// waitProc returns whether the process ended well, "exit" or "signal", and which.
func (w *Worker) waitProc(L *lua.LState) int {
	p, ended := self[*proc](L), false
	w.wait(func() {
		select {
		case <-p.ended:
			ended = true
		case <-time.After(p.waits):
		case <-w.ctx.Done():
		}
	})
	if !ended {
		return failed(L, "timeout")
	}
	delete(w.procs, p)
	p.stdin.Close()
	p.out.Close()
	status, _ := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	L.Push(lua.LBool(p.cmd.ProcessState.Success()))
	if status.Signaled() {
		L.Push(lua.LString("signal"))
		L.Push(lua.LNumber(status.Signal()))
	} else {
		L.Push(lua.LString("exit"))
		L.Push(lua.LNumber(status.ExitStatus()))
	}
	return 3
}

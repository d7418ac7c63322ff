package pluginserver

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// grace is how long running events may take once the server is asked to end.
const grace = 5 * time.Second

// checkEvery is how often the socket's file is looked at.
const checkEvery = time.Second

// successor is how long an orphaned server goes on for the next one to take its socket,
// so that Kong's other workers always have one, as long as Kong itself runs.
const successor = 2 * time.Second

// Run serves l until the process is asked to end: by SIGTERM or SIGINT, or,
// when stdin is a pipe, by its end, which is all that a server hears when
// Kong's worker is killed. SIGHUP calls reload. Run returns when the server
// has ended, with nil.
//
// When another server has taken the socket, connections are closed between calls, so that
// Kong turns to that one. When that one is gone, or the socket's file is (Kong before 3.8
// removes it at its start), Run listens again.
func (s *Server) Run(l *Listener, stdin *os.File, reload func()) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	master := readPID(s.options.PIDFile)
	orphaned := make(chan struct{})
	if isPipe(stdin) {
		go func() {
			io.Copy(io.Discard, stdin)
			close(orphaned)
		}()
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	check := time.NewTicker(checkEvery)
	defer check.Stop()
	for {
		select {
		case <-check.C:
			s.check(l)
		case err := <-served:
			return err
		case <-orphaned:
			s.options.Log.Info("stdin has ended: Kong's worker is gone, ending")
			for end := time.Now().Add(successor); runs(master) && l.owner() != another && time.Now().Before(end); {
				time.Sleep(successor / 40)
			}
			return s.stop(served)
		case sig := <-signals:
			if sig == syscall.SIGHUP {
				reload()
				continue
			}
			s.options.Log.Info("ending", "signal", sig.String())
			return s.stop(served)
		}
	}
}

// check examines the socket's file.
func (s *Server) check(l *Listener) {
	switch l.owner() {
	case ours:
		s.replaced.Store(false)
	case another:
		if !s.replaced.Swap(true) {
			s.options.Log.Info("another server has taken the socket", "socket", l.path)
		}
		s.hangUp()
	case none:
		s.replaced.Store(false)
		l.restore(s.options.Log)
	}
}

func (s *Server) stop(served <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	s.Shutdown(ctx)
	return <-served
}

// readPID returns the process id in a file, 0 if there is none.
func readPID(file string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 1 {
		return 0
	}
	return pid
}

// runs tells whether a process may be running: one of an unknown id, 0, may.
func runs(pid int) bool {
	return pid == 0 || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

func isPipe(f *os.File) bool {
	if f == nil {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeNamedPipe != 0
}

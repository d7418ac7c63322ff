package pluginserver

import (
	"context"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// grace is how long running events may take once the server is asked to end.
const grace = 5 * time.Second

// Run serves l until the process is asked to end: by SIGTERM or SIGINT, or,
// when stdin is a pipe, by its end, which is all that a server hears when
// Kong's worker is killed. SIGHUP calls reload. Run returns when the server
// has ended, with nil.
func (s *Server) Run(l net.Listener, stdin *os.File, reload func()) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	orphaned := make(chan struct{})
	if isPipe(stdin) {
		go func() {
			io.Copy(io.Discard, stdin)
			close(orphaned)
		}()
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	for {
		select {
		case err := <-served:
			return err
		case <-orphaned:
			s.options.Log.Info("stdin has ended: Kong's worker is gone, ending")
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

func (s *Server) stop(served <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	s.Shutdown(ctx)
	return <-served
}

func isPipe(f *os.File) bool {
	if f == nil {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeNamedPipe != 0
}

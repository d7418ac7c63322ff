package metrics

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// againEvery is how often an address that is in use is tried: on kong reload the former
// server has it until it ends.
const againEvery = time.Second

// Serve serves /metrics at an address, host:port or unix:PATH, until ctx ends. An address
// at which it cannot listen is tried again, which log tells once. A socket gets the mode.
func (m *Metrics) Serve(ctx context.Context, address string, mode fs.FileMode, log *slog.Logger) {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	context.AfterFunc(ctx, func() { server.Close() })
	told := false
	for ctx.Err() == nil {
		l, err := listen(address, mode)
		if err == nil {
			log.Info("serving metrics", "address", address)
			err = server.Serve(l)
		}
		if errors.Is(err, http.ErrServerClosed) {
			return
		}
		if !told {
			log.Warn("metrics are not served yet", "address", address, "error", err)
			told = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(againEvery):
		}
	}
}

func listen(address string, mode fs.FileMode) (net.Listener, error) {
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		return net.Listen("tcp", address)
	}
	// A socket of a server that has ended is replaced.
	if file, err := os.Lstat(path); err == nil && file.Mode().Type() == fs.ModeSocket {
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
		} else if errors.Is(err, syscall.ECONNREFUSED) {
			if err := os.Remove(path); err != nil {
				return nil, err
			}
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

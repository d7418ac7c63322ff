package pki

import (
	"errors"
	"net"
	"net/http"
	"time"
)

// listener serves a responder or a host of CRLs at an address of its own.
type listener struct {
	server  *http.Server // nil before listen
	address string
	closed  chan struct{} // closed by Close: what hangs ends
}

func newListener() listener { return listener{closed: make(chan struct{})} }

// listen serves on a port of the loopback interface and returns the address, with this
// path.
func (l *listener) listen(handler http.Handler, path string) string {
	port, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	l.server = &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	l.address = "http://" + port.Addr().String() + path
	go func() {
		if err := l.server.Serve(port); !errors.Is(err, http.ErrServerClosed) {
			check(err)
		}
	}()
	return l.address
}

// Close ends everything that hangs, and stops listening. It is called once.
func (l *listener) Close() {
	close(l.closed)
	if l.server != nil {
		l.server.Close()
	}
}

// URL returns the address that Start returned.
func (l *listener) URL() string { return l.address }

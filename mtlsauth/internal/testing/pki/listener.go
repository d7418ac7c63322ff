package pki

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// listener serves a responder or a host of CRLs at an address of its own, with what is wrong
// with it.
type listener struct {
	server  *http.Server // nil before listen
	address string
	closed  chan struct{} // closed by Close: what hangs ends

	mu      sync.Mutex // for what the responder or host has as well
	trouble Trouble
}

// Trouble is what keeps a Responder or a CRLHost from answering. The zero value is none.
type Trouble struct {
	Stall time.Duration // wait so long first
	Hang  bool          // never answer
	// Status and Body are answered to everything where Status is not 0.
	Status int
	Body   []byte
}

func newListener() *listener { return &listener{closed: make(chan struct{})} }

// Trouble sets what is wrong.
func (l *listener) Trouble(t Trouble) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trouble = t
}

// answers waits as long as the trouble has it, and reports whether there is to be an answer.
func (l *listener) answers(request *http.Request) (Trouble, bool) {
	l.mu.Lock()
	trouble := l.trouble
	l.mu.Unlock()
	var stalled <-chan time.Time // nil, for ever
	if !trouble.Hang {
		stalled = time.After(trouble.Stall)
	}
	select {
	case <-stalled:
		return trouble, true
	case <-request.Context().Done():
	case <-l.closed:
	}
	return trouble, false
}

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

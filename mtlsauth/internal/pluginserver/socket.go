package pluginserver

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// maxPath is the longest path of a Unix socket (sockaddr_un, less the final
// NUL); beyond it the kernel says no more than "invalid argument".
const maxPath = 107

// Listener listens on a Unix socket, and listens again when its file is gone or leads to
// a server that is gone: see [Server.Run].
type Listener struct {
	path string
	mode fs.FileMode

	mu     sync.Mutex
	socket *net.UnixListener
	file   fs.FileInfo // of socket
	closed bool
}

// Listen listens on the Unix socket at path and gives its file the mode. What
// is there is replaced in one step, also the socket of a running server: at
// every moment a server answers at path. The file stays when the listener is
// closed: on `kong reload` the old server ends seconds after the new one has
// taken its place.
func Listen(path string, mode fs.FileMode) (*Listener, error) {
	l := &Listener{path: path, mode: mode}
	var err error
	if l.socket, l.file, err = bind(path, mode); err != nil {
		return nil, fmt.Errorf("listening on %s: %w", path, err)
	}
	sweep(path)
	return l, nil
}

// sweep removes the sockets beside path of servers that were killed before they could rename
// them.
func sweep(path string) {
	left, _ := filepath.Glob(path + ".*") // the pattern is well-formed, or nothing is swept
	for _, beside := range left {
		pid, err := strconv.Atoi(strings.TrimPrefix(beside, path+"."))
		if err == nil && pid > 0 && !runs(pid) && !answers(beside) {
			os.Remove(beside)
		}
	}
}

// bind binds a socket beside path and renames it onto it.
func bind(path string, mode fs.FileMode) (_ *net.UnixListener, _ fs.FileInfo, err error) {
	beside := fmt.Sprintf("%s.%d", path, os.Getpid())
	if len(beside) > maxPath {
		return nil, nil, fmt.Errorf("the path to bind, %s, has %d bytes: must have at most %d, so use a shorter Kong prefix", beside, len(beside), maxPath)
	}
	if err := os.Remove(beside); err != nil && !os.IsNotExist(err) {
		return nil, nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: beside, Net: "unix"})
	if err != nil {
		return nil, nil, err
	}
	l.SetUnlinkOnClose(false)
	defer func() {
		if err != nil {
			l.Close()
			os.Remove(beside)
		}
	}()
	if err := os.Chmod(beside, mode); err != nil {
		return nil, nil, err
	}
	file, err := os.Lstat(beside)
	if err != nil {
		return nil, nil, err
	}
	return l, file, os.Rename(beside, path)
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		socket := l.current()
		c, err := socket.Accept()
		if err != nil && errors.Is(err, net.ErrClosed) && l.current() != socket {
			continue
		}
		return c, err
	}
}

func (l *Listener) current() *net.UnixListener {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.socket
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return l.socket.Close()
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// owner tells where path leads.
type owner int

const (
	ours    owner = iota
	another       // a server that answers there
	none          // nowhere
)

func (l *Listener) owner() owner {
	l.mu.Lock()
	file := l.file
	l.mu.Unlock()
	if there, err := os.Lstat(l.path); err == nil && os.SameFile(file, there) {
		return ours
	} else if err == nil && answers(l.path) {
		return another
	}
	return none
}

// answers tells whether a process listens on the socket.
func answers(path string) bool {
	c, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return errors.Is(err, syscall.EAGAIN) // its queue is full
	}
	c.Close()
	return true
}

// restore listens again where path leads nowhere. Connections on the socket that it had
// until then go on.
func (l *Listener) restore(log *slog.Logger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	socket, file, err := bind(l.path, l.mode)
	if err != nil {
		log.Error("listening again", "socket", l.path, "error", err)
		return
	}
	l.socket.Close()
	l.socket, l.file = socket, file
	log.Warn("the socket was gone, listening again", "socket", l.path)
}

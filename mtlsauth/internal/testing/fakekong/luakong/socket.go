package luakong

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// sockets are the connections of a worker.
type sockets struct {
	open  map[net.Conn]bool
	pools map[string][]pooled // idle ones, by the pool's name
}

type pooled struct {
	net.Conn
	until time.Time
}

func newSockets() sockets { return sockets{map[net.Conn]bool{}, map[string][]pooled{}} }

func (s *sockets) close() {
	for c := range s.open {
		c.Close()
	}
}

// take returns an idle connection that the other side has not closed, nil for none.
func (s *sockets) take(pool string) net.Conn {
	for list := s.pools[pool]; len(list) > 0; list = s.pools[pool] {
		last := list[len(list)-1]
		s.pools[pool] = list[:len(list)-1]
		if time.Now().Before(last.until) && alive(last.Conn) {
			return last.Conn
		}
		s.drop(last.Conn)
	}
	return nil
}

func (s *sockets) drop(c net.Conn) {
	delete(s.open, c)
	c.Close()
}

// alive reports that an idle connection has nothing to read: neither its end nor bytes
// that no one waits for.
func alive(c net.Conn) bool {
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return false
	}
	ok := false
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		ok = errors.Is(err, syscall.EAGAIN)
	})
	return err == nil && ok
}

// socket is a cosocket.
type socket struct {
	conn       net.Conn
	pool       string
	send, read time.Duration
}

const defaultTimeout = time.Minute

func (w *Worker) newSocket(L *lua.LState) int {
	L.Push(object(L, &socket{send: defaultTimeout, read: defaultTimeout}, map[string]lua.LGFunction{
		"settimeouts": func(L *lua.LState) int {
			s := self[*socket](L)
			for i, d := range []*time.Duration{&s.send, &s.read} {
				*d = time.Duration(L.CheckInt(3+i)) * time.Millisecond
			}
			return 0
		},
		"connect": w.socketConnect, "send": w.socketSend, "receive": w.socketReceive,
		"setkeepalive": func(L *lua.LState) int {
			s, idle, size := self[*socket](L), time.Duration(L.CheckInt(2))*time.Millisecond, L.CheckInt(3)
			if s.conn == nil {
				return failed(L, "closed")
			}
			if list := w.sockets.pools[s.pool]; len(list) < size && alive(s.conn) {
				w.sockets.pools[s.pool] = append(list, pooled{s.conn, time.Now().Add(idle)})
			} else {
				w.sockets.drop(s.conn)
			}
			s.conn = nil
			L.Push(lua.LNumber(1))
			return 1
		},
		"close": func(L *lua.LState) int {
			s := self[*socket](L)
			if s.conn == nil {
				return failed(L, "closed")
			}
			w.sockets.drop(s.conn)
			s.conn = nil
			L.Push(lua.LNumber(1))
			return 1
		},
	}))
	return 1
}

// socketConnect connects to a Unix socket: sock:connect("unix:PATH", {pool = NAME}). That
// never waits, as in nginx: the kernel connects at once or says why not. So the time
// that it may take is not counted: on a busy machine it would go by before the attempt.
func (w *Worker) socketConnect(L *lua.LState) int {
	s := self[*socket](L)
	path, ok := strings.CutPrefix(L.CheckString(2), "unix:")
	if !ok {
		return raise(L, "sock:connect to anything but unix:PATH is not emulated")
	}
	s.pool = "unix:" + path
	if options, ok := L.Get(3).(*lua.LTable); ok {
		if pool, ok := options.RawGetString("pool").(lua.LString); ok {
			s.pool = string(pool)
		}
	}
	if s.conn = w.sockets.take(s.pool); s.conn == nil {
		var err error
		w.wait(func() { s.conn, err = net.Dial("unix", path) })
		if err != nil {
			s.conn = nil
			return failed(L, reason(err))
		}
		if w.ctx.Err() != nil {
			s.conn.Close()
			return failed(L, "closed")
		}
		w.sockets.open[s.conn] = true
	}
	L.Push(lua.LNumber(1))
	return 1
}

// socketSend writes a text, or a table of texts.
func (w *Worker) socketSend(L *lua.LState) int {
	s, data := self[*socket](L), []byte(nil)
	var add func(v lua.LValue)
	add = func(v lua.LValue) {
		if t, ok := v.(*lua.LTable); ok {
			t.ForEach(func(_, e lua.LValue) { add(e) })
			return
		}
		data = append(data, v.String()...)
	}
	add(L.Get(2))
	if s.conn == nil {
		return failed(L, "closed")
	}
	conn := s.conn
	var err error
	w.wait(func() {
		conn.SetWriteDeadline(time.Now().Add(s.send))
		_, err = conn.Write(data)
	})
	if err != nil {
		return failed(L, reason(err))
	}
	L.Push(lua.LNumber(len(data)))
	return 1
}

// socketReceive reads so many bytes; or nil, the error and what had come.
func (w *Worker) socketReceive(L *lua.LState) int {
	s, b := self[*socket](L), make([]byte, L.CheckInt(2))
	if s.conn == nil {
		return failed(L, "closed")
	}
	conn := s.conn
	var n int
	var err error
	w.wait(func() {
		conn.SetReadDeadline(time.Now().Add(s.read))
		n, err = io.ReadFull(conn, b)
	})
	if err != nil {
		failed(L, reason(err))
		L.Push(lua.LString(b[:n]))
		return 3
	}
	L.Push(lua.LString(b))
	return 1
}

// reason is what nginx says of an error.
func reason(err error) string {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "timeout"
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok && errno != syscall.EPIPE && errno != syscall.ECONNRESET {
		return errno.Error()
	}
	return "closed"
}

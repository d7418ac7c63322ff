package rpc

import (
	"sync"
	"syscall"
	"time"
)

// pool keeps a worker's idle connections: the one used last is taken first, at
// most size of them, each closed when it was idle for the whole time
// (lua_socket_pool_size and lua_socket_keepalive_timeout).
type pool struct {
	size int
	time time.Duration

	mu     sync.Mutex
	idle   []*conn // oldest first
	timer  *time.Timer
	closed bool
}

// get returns a kept connection, or nil when there is none that still stands.
func (p *pool) get() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		last := len(p.idle) - 1
		c := p.idle[last]
		p.idle[last] = nil
		p.idle = p.idle[:last]
		if quiet(c) {
			return c
		}
		c.Close()
	}
	return nil
}

// put keeps c for later. A connection on which unread bytes wait is closed, as
// a cosocket's setkeepalive does: who would know whose they are?
func (p *pool) put(c *conn) {
	if c.r.Buffered() > 0 {
		c.Close()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.Close()
		return
	}
	if len(p.idle) >= p.size {
		p.idle[0].Close()
		copy(p.idle, p.idle[1:])
		p.idle = p.idle[:len(p.idle)-1]
	}
	c.idle = time.Now()
	p.idle = append(p.idle, c)
	if p.timer == nil {
		p.timer = time.AfterFunc(p.time, p.expire)
	}
}

func (p *pool) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for len(p.idle) > 0 && now.Sub(p.idle[0].idle) >= p.time {
		p.idle[0].Close()
		p.idle = p.idle[1:]
	}
	p.timer = nil
	if len(p.idle) > 0 {
		p.timer = time.AfterFunc(p.idle[0].idle.Add(p.time).Sub(now), p.expire)
	}
}

// close closes what is idle, and from then on what is put.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.idle {
		c.Close()
	}
	p.idle = nil
	if p.timer != nil {
		p.timer.Stop()
	}
}

// quiet says that nothing waits on an idle connection, neither bytes nor its
// end: nginx watches idle connections and drops such ones at once.
func quiet(c *conn) bool {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	still := false
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, peek := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		still = peek == syscall.EAGAIN
	})
	return err == nil && still
}

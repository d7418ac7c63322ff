package rpc

import (
	"sync"
	"syscall"
)

// pool keeps a worker's idle connections; the one used last is taken first. (Kong's ends
// those that were idle for a minute.)
type pool struct {
	mu     sync.Mutex
	idle   []*conn // oldest first
	closed bool
}

// get returns a kept connection, or nil when there is none that still stands.
func (p *pool) get() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		last := len(p.idle) - 1
		c := p.idle[last]
		p.idle = p.idle[:last]
		if quiet(c) {
			return c
		}
		c.Close()
	}
	return nil
}

// put keeps c for later. A connection on which unread bytes wait is closed, as a
// cosocket's setkeepalive does.
func (p *pool) put(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || c.r.Buffered() > 0 {
		c.Close()
		return
	}
	p.idle = append(p.idle, c)
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
}

// quiet says that nothing waits on an idle connection, neither bytes nor its end: nginx
// watches idle connections and drops such ones at once.
func quiet(c *conn) bool {
	raw, err := c.Conn.(syscall.Conn).SyscallConn()
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

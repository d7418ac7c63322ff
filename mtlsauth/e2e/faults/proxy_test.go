package faults

import (
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"
)

// proxy stands between Kong and the server's socket, and spoils one in three of the chunks
// that go through it, as it is told.
type proxy struct {
	listener *net.UnixListener
	to       string
	kongs    bool // it is Kong's own protocol

	mu     sync.Mutex
	random *rand.Rand
	how    string
	open   map[net.Conn]bool
}

// What the proxy does to a chunk. A byte is overwritten in the length of a frame: neither
// protocol has a checksum, so a change within the text of a frame is another message.
var spoils = []string{"cut", "doubled", "garbled", "late", "lost"}

func newProxy(path, to string, kongs bool, random *rand.Rand) (*proxy, error) {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: listener, to: to, kongs: kongs, random: random, open: map[net.Conn]bool{}}
	go p.serve()
	return p, os.Chmod(path, 0o600)
}

func (p *proxy) serve() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			server, err := net.Dial("unix", p.to)
			if err != nil {
				return
			}
			defer server.Close()
			p.keep(c, server, true)
			defer p.keep(c, server, false)
			ended := make(chan struct{}, 2)
			go p.pipe(c, server, ended)
			go p.pipe(server, c, ended)
			<-ended
		}()
	}
}

func (p *proxy) keep(a, b net.Conn, open bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range []net.Conn{a, b} {
		if delete(p.open, c); open {
			p.open[c] = true
		}
	}
}

// pipe copies what goes one way. Kong's own protocol has no checksum: a frame without a
// method is the end of an event, a pass. No server can help that, so there no byte is changed.
func (p *proxy) pipe(to, from net.Conn, ended chan<- struct{}) {
	defer func() { ended <- struct{}{} }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		chunk := buffer[:n]
		how, at := p.next(n)
		if p.kongs && how == "garbled" {
			how = "late"
		}
		switch how {
		case "cut":
			to.Write(chunk[:at])
			return
		case "doubled":
			to.Write(chunk)
		case "garbled":
			chunk[min(at, 3)] = 0xff
		case "late":
			time.Sleep(300 * time.Millisecond)
		case "lost":
			continue
		}
		if _, err := to.Write(chunk); err != nil {
			return
		}
	}
}

func (p *proxy) next(n int) (how string, at int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.how == "" || p.random.IntN(3) > 0 {
		return "", 0
	}
	return p.how, p.random.IntN(n)
}

func (p *proxy) spoil(how string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.how = how
}

func (p *proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.Close()
	}
}

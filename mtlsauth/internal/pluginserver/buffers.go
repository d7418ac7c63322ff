package pluginserver

import (
	"bufio"
	"net"
	"sync"
)

// keptBuffer is how much memory a connection between events keeps for the
// next one: enough for a certificate and its chain.
const keptBuffer = 16 << 10

// buffers is the memory of a connection. Each exit ends its connection, so that
// under refused requests connections come and go as fast as requests do: they
// take over the memory of those before.
type buffers struct {
	reader  *bufio.Reader
	frame   []byte // the call that is read
	replies []byte // what Ask returned
	out     []byte // statements that were not written yet
}

var spare = sync.Pool{New: func() any { return &buffers{reader: bufio.NewReaderSize(nil, 4096)} }}

// borrow returns buffers for a connection.
func borrow(c net.Conn) *buffers {
	b := spare.Get().(*buffers)
	b.reader.Reset(c)
	return b
}

// giveBack ends the connection's use of them.
func (b *buffers) giveBack() {
	b.shrink()
	b.reader.Reset(nil)
	spare.Put(b)
}

func (b *buffers) shrink() {
	if cap(b.frame) > keptBuffer {
		b.frame = nil
	}
	if cap(b.replies) > keptBuffer {
		b.replies = nil
	}
	if cap(b.out) > keptBuffer {
		b.out = nil
	}
}

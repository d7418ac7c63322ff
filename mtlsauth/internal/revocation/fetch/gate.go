package fetch

import (
	"context"
	"sync"
)

// maxPerHost bounds the exchanges with one address at a time, and so the
// connections that one slow host holds. A responder that takes 50 ms answers
// 640 a second through it.
const maxPerHost = 32

// gateKey is what failures to connect are counted by: a host that can not be
// reached by one way holds up none of another.
type gateKey struct {
	address Address
	proxy   string
}

// gates lets a bounded number of exchanges through for each key. How many may
// wait is for the caller to bound.
type gates struct {
	mu    sync.Mutex
	gates map[gateKey]*gate
}

type gate struct {
	slots chan struct{}
	users int // inside and waiting; the last one takes the gate down
}

// enter waits for a place until ctx ends, and returns what gives it back, which
// may be called more than once.
func (g *gates) enter(ctx context.Context, key gateKey) (func(), error) {
	at := g.open(key)
	select {
	case at.slots <- struct{}{}:
	default:
		select {
		case at.slots <- struct{}{}:
		case <-ctx.Done():
			g.leave(key, at)
			return nil, failed(ctx, "waiting for one of the exchanges with the same host to end", Busy, ctx.Err())
		}
	}
	return sync.OnceFunc(func() {
		<-at.slots
		g.leave(key, at)
	}), nil
}

func (g *gates) open(key gateKey) *gate {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := g.gates[key]
	if at == nil {
		if g.gates == nil {
			g.gates = make(map[gateKey]*gate)
		}
		at = &gate{slots: make(chan struct{}, maxPerHost)}
		g.gates[key] = at
	}
	at.users++
	return at
}

func (g *gates) leave(key gateKey, at *gate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if at.users--; at.users == 0 {
		delete(g.gates, key)
	}
}

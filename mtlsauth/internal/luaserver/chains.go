package luaserver

import (
	"crypto/sha256"
	"strconv"
	"sync"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
)

// chains are the certificates that came with leaves which validated, by leaf. A resumed
// TLS session has the leaf alone (OpenSSL keeps no more of it), so its chain is completed
// from here, and validated again like anything presented. What came with one leaf never
// serves another.
//
// Workers put the session id into the context of the TLS sessions that they make, so that
// sessions whose chains may be unknown are not resumed: those of an earlier server, and
// those from before chains were given up because there were too many.
type chains struct {
	process string

	mu     sync.Mutex
	number uint64
	since  uint64 // the first number under which no chain was given up
	missed time.Time
	byLeaf map[[sha256.Size]byte]*string
	byText map[string]*string // many leaves have the same
	bytes  int                // of the texts
}

const (
	// maxLeaves and maxChainBytes bound them: about 8 MiB and 16 MiB.
	maxLeaves     = 100_000
	maxChainBytes = 16 << 20
	// missEvery is how often an unknown chain may end all sessions: any client can
	// resume a session whose certificate has no issuer here.
	missEvery = time.Minute
)

func newChains(process string) *chains {
	c := &chains{process: process}
	c.reset()
	return c
}

func (c *chains) reset() {
	c.byLeaf, c.byText, c.bytes = make(map[[sha256.Size]byte]*string), make(map[string]*string), 0
	c.number++
	c.since = c.number
}

// session names the TLS sessions whose chains are known.
func (c *chains) session() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.name()
}

func (c *chains) name() string { return c.nameOf(c.number) }

func (c *chains) nameOf(number uint64) string {
	return c.process + "-" + strconv.FormatUint(number, 10)
}

// add notes the chain, PEM, that came with a leaf; the latest counts.
func (c *chains) add(leaf [sha256.Size]byte, chain string) {
	if chain == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.byLeaf[leaf]; known != nil && *known == chain {
		return
	}
	if len(c.byLeaf) >= maxLeaves || c.bytes+len(chain) > maxChainBytes {
		c.reset()
	}
	text, ok := c.byText[chain]
	if !ok {
		text = &chain
		c.byText[chain] = text
		c.bytes += len(chain)
	}
	c.byLeaf[leaf] = text
}

// of returns the chain of a leaf, "" for none.
func (c *chains) of(leaf [sha256.Size]byte) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if chain := c.byLeaf[leaf]; chain != nil {
		return *chain
	}
	return ""
}

// miss notes that a resumed session came without its chain, from a worker that knows this
// session id. It reports whether that worker has not yet heard that chains were given up,
// so that the session may be of an earlier server. Otherwise no request came on the
// connection that made the session: sessions are made again, so that its client sends
// its chain with the next one.
func (c *chains) miss(sessions string, now time.Time) (outdated bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A worker hears of a miss within two seconds.
	if sessions != c.name() && (c.number == c.since || sessions != c.nameOf(c.number-1)) {
		return true
	}
	if now.Sub(c.missed) >= missEvery {
		c.missed = now
		c.number++
	}
	return false
}

// trusted tells whether a certification path was found.
func trusted(d *authn.Decision) bool {
	switch d.Reason {
	case authn.Passed, authn.Revoked, authn.StatusUnknown, authn.NoConsumer, authn.LookupFailed:
		return true
	}
	return false
}

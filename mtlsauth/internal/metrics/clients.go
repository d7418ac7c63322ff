package metrics

import (
	"crypto/sha256"
	"sync"
	"time"
)

const (
	weekly, monthly = 7 * 24 * time.Hour, 30 * 24 * time.Hour
	// seenFor is how long a certificate counts after it passed last: one that was renewed
	// is not used any more.
	seenFor = 24 * time.Hour
	// maxClients bounds those that are remembered: about 5 MiB.
	maxClients = 50_000
)

// clients are the client certificates that passed lately and expire within a month.
type clients struct {
	mu   sync.Mutex
	seen map[[16]byte]client // by the beginning of the fingerprint
}

type client struct{ notAfter, passed time.Time }

// passed notes that a certificate has passed. Over the bound no other is remembered.
func (c *clients) passed(fingerprint [sha256.Size]byte, notAfter, now time.Time) {
	if notAfter.Sub(now) > monthly {
		return
	}
	key := [16]byte(fingerprint[:16])
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.seen[key]; !known && len(c.seen) >= maxClients {
		return
	}
	if c.seen == nil {
		c.seen = make(map[[16]byte]client)
	}
	c.seen[key] = client{notAfter, now}
}

// expiring counts those that expire within a week and within a month, and forgets others.
func (c *clients) expiring(now time.Time) (week, month int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, client := range c.seen {
		left := client.notAfter.Sub(now)
		if left <= 0 || now.Sub(client.passed) > seenFor {
			delete(c.seen, key)
			continue
		}
		month++
		if left <= weekly {
			week++
		}
	}
	return week, month
}

package fetch

import (
	"net"
	"net/netip"
)

const (
	MaxRedirects  = maxRedirects
	MaxURL        = maxURL
	MaxHeader     = maxHeader
	MaxPerHost    = maxPerHost
	MaxTransports = maxTransports
)

func (c *Client) Allowed(ap netip.AddrPort) error { return c.allowed(ap) }

// UseResolver has names resolved by r, proxies' too.
func (c *Client) UseResolver(r *net.Resolver) { c.direct.Resolver, c.toProxy.Resolver = r, r }

// UseInterfaceAddrs replaces what the machine says of its addresses.
func (c *Client) UseInterfaceAddrs(f func() ([]net.Addr, error)) { c.interfaceAddrs = f }

// Gates counts the hosts with an exchange under way.
func (c *Client) Gates() int {
	c.gates.mu.Lock()
	defer c.gates.mu.Unlock()
	return len(c.gates.gates)
}

// Transports counts the ways of asking whose connections are kept.
func (c *Client) Transports() int {
	c.transports.mu.Lock()
	defer c.transports.mu.Unlock()
	return len(c.transports.kept)
}

package fetch

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
)

const (
	MaxHeader     = maxHeader
	MaxIdle       = maxIdle
	MaxTransports = maxTransports
)

func (c *Client) Allowed(ap netip.AddrPort) error { return c.allowed(ap) }

// LoopbackOnly keeps the connections of tests on this machine, also when what
// they test is broken, and tells of each one that would have left it.
func (c *Client) LoopbackOnly(strayed func(address string)) {
	for _, dialer := range []*net.Dialer{&c.direct, &c.toProxy} {
		judge := dialer.ControlContext
		dialer.ControlContext = func(ctx context.Context, network, address string, conn syscall.RawConn) error {
			if judge != nil {
				if err := judge(ctx, network, address, conn); err != nil {
					return err
				}
			}
			if ap, err := netip.ParseAddrPort(address); err != nil || !ap.Addr().Unmap().IsLoopback() {
				strayed(address)
				return errors.New("not in a test")
			}
			return nil
		}
	}
}

// UseResolver has names resolved by r, proxies' too.
func (c *Client) UseResolver(r *net.Resolver) { c.direct.Resolver, c.toProxy.Resolver = r, r }

// UseInterfaceAddrs replaces what the machine says of its addresses.
func (c *Client) UseInterfaceAddrs(f func() ([]net.Addr, error)) { c.interfaceAddrs = f }

// Transport returns that of a way of asking, as an exchange gets it.
func (c *Client) Transport(how How) *http.Transport {
	return c.transport(way{how.HTTPProxy, how.SSLVerify})
}

// Transports counts the ways of asking whose connections are kept.
func (c *Client) Transports() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.transports)
}

// CloseIdleConnections closes the connections that are kept for later.
func (c *Client) CloseIdleConnections() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.transports {
		t.CloseIdleConnections()
	}
}

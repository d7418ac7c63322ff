package fetch

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// control judges an address between its resolution and the first packet. It
// fails closed.
func (c *Client) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return &Error{Kind: Refused, Err: fmt.Errorf("judging the address: %w", err)}
	}
	return c.allowed(ap)
}

// allowed says whether an address may be connected to; its error is of kind
// Refused. An address with an IPv4 address inside is judged by both.
func (c *Client) allowed(ap netip.AddrPort) error {
	// A prefix contains no address with a zone.
	addr := ap.Addr().Unmap().WithZone("")
	if !addr.IsValid() {
		return refuse("no address")
	}
	if hidden(addr) {
		return refuse("%s hides an IPv4 address", addr)
	}
	if err := c.judge(addr, ap.Port()); err != nil {
		return err
	}
	if v4, ok := inside(addr); ok {
		if err := c.judge(v4, ap.Port()); err != nil {
			return refuse("%s stands for %w", addr, err.Err)
		}
	}
	return nil
}

func (c *Client) judge(addr netip.Addr, port uint16) *Error {
	if what, ok := find(never, addr); ok {
		return refuse("%s, which is %s", addr, what)
	}
	if c.options.DenyPrivate {
		if what, ok := find(private, addr); ok {
			return refuse("%s, which is %s, with private addresses denied", addr, what)
		}
	}
	if c.options.OwnListeners == nil {
		return nil
	}
	for _, own := range c.options.OwnListeners() {
		if own.Port() != port {
			continue
		}
		listener := own.Addr().Unmap().WithZone("")
		if listener == addr || listener.IsUnspecified() && c.ofThisMachine(addr) {
			return refuse("%s, which is one of Kong's own listeners", netip.AddrPortFrom(addr, port))
		}
	}
	return nil
}

// ofThisMachine takes an address for this machine's when the machine does not
// say. Of a translation on the way here, by a load balancer or a container's
// host, it cannot know.
func (c *Client) ofThisMachine(addr netip.Addr) bool {
	if addr.IsLoopback() {
		return true
	}
	addrs, err := c.interfaceAddrs()
	if err != nil {
		return true
	}
	for _, a := range addrs {
		ipnet, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		if ip, ok := netip.AddrFromSlice(ipnet.IP); ok && ip.Unmap() == addr {
			return true
		}
	}
	return false
}

func refuse(format string, args ...any) *Error {
	return &Error{Kind: Refused, Err: fmt.Errorf(format, args...)}
}

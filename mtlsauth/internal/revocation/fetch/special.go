package fetch

import (
	"net/netip"
)

// block is a range of addresses and what they are.
type block struct {
	prefix netip.Prefix
	what   string
}

func newBlock(prefix, what string) block { return block{netip.MustParsePrefix(prefix), what} }

// never are the ranges that no responder or CRL host is at: what is there
// answers this machine alone, and often without asking who it is.
var never = []block{
	newBlock("0.0.0.0/8", "unspecified"), // Linux takes 0.0.0.0 for this host (RFC 1122, section 3.2.1.3)
	newBlock("::/128", "unspecified"),
	newBlock("224.0.0.0/4", "multicast"),
	newBlock("ff00::/8", "multicast"),
	newBlock("255.255.255.255/32", "broadcast"),

	// With them the metadata services at 169.254.169.254 (AWS, Azure, Google,
	// Oracle, OpenStack and others), 169.254.170.2 and .23 (AWS containers),
	// 169.254.0.23 (Tencent), 169.254.42.42 (Scaleway) and fe80::a9fe:a9fe
	// (OpenStack).
	newBlock("169.254.0.0/16", "link-local"),
	newBlock("fe80::/10", "link-local"),

	newBlock("fd00:ec2::/32", "AWS's: instance metadata, pod identity, DNS, time"),
	newBlock("fd20:ce::254/128", "Google Cloud's instance metadata"),
	newBlock("168.63.129.16/32", "Azure's WireServer"),
	newBlock("192.0.0.192/32", "Oracle Cloud Classic's instance metadata"),
	newBlock("fd00:c1::a9fe:a9fe/128", "Oracle Cloud's instance metadata"),
	newBlock("100.100.100.200/32", "Alibaba Cloud's instance metadata"),
	newBlock("fd00:100::100:200/128", "Alibaba Cloud's instance metadata"),
	newBlock("fd00:a9fe:a9fe::1/128", "Akamai's (Linode) instance metadata"),
	newBlock("fd00:42::42/128", "Scaleway's instance metadata"),
	newBlock("100.96.0.96/32", "Volcano Engine's instance metadata"),
	newBlock("100.80.80.80/32", "UCloud's instance metadata"),
}

// private are the ranges that are not globally reachable, by IANA's registries
// of special-purpose addresses (RFC 6890); those of never and those with an
// IPv4 address inside are left out.
var private = []block{
	newBlock("127.0.0.0/8", "loopback"),
	newBlock("::1/128", "loopback"),
	newBlock("10.0.0.0/8", "private"),     // RFC 1918
	newBlock("172.16.0.0/12", "private"),  // RFC 1918
	newBlock("192.168.0.0/16", "private"), // RFC 1918
	newBlock("fc00::/7", "private"),       // RFC 4193
	newBlock("fec0::/10", "private"),      // site-local until RFC 3879
	newBlock("100.64.0.0/10", "shared"),   // RFC 6598, carrier-grade NAT
	newBlock("192.0.0.0/24", "reserved for protocols"),
	newBlock("192.0.2.0/24", "for documentation"),
	newBlock("198.51.100.0/24", "for documentation"),
	newBlock("203.0.113.0/24", "for documentation"),
	newBlock("192.88.99.0/24", "a 6to4 relay's"), // until RFC 7526
	newBlock("198.18.0.0/15", "for benchmarks"),
	newBlock("240.0.0.0/4", "reserved"),
	newBlock("100::/64", "discarded"),
	newBlock("100:0:0:1::/64", "a dummy"),             // RFC 9780
	newBlock("2001::/23", "reserved for protocols"),   // with benchmarks, ORCHIDv2 and Teredo
	newBlock("2001:db8::/32", "for documentation"),    // RFC 3849
	newBlock("3fff::/20", "for documentation"),        // RFC 9637
	newBlock("5f00::/16", "a segment routing domain"), // RFC 9602
}

func find(blocks []block, addr netip.Addr) (string, bool) {
	for _, b := range blocks {
		if b.prefix.Contains(addr) {
			return b.what, true
		}
	}
	return "", false
}

var (
	compatible = netip.MustParsePrefix("::/96")           // RFC 4291, section 2.5.5.1
	translated = netip.MustParsePrefix("::ffff:0:0:0/96") // RFC 2765, section 2.1
	nat64      = netip.MustParsePrefix("64:ff9b::/96")    // RFC 6052, section 2.1
	localNAT64 = netip.MustParsePrefix("64:ff9b:1::/48")  // RFC 8215
	sixToFour  = netip.MustParsePrefix("2002::/16")       // RFC 3056
	teredo     = netip.MustParsePrefix("2001::/32")       // RFC 4380, section 4
)

// inside returns the IPv4 address that an IPv6 address stands for: the packets
// end there. IPv4-mapped addresses are unmapped before. A NAT64 under a
// network's own prefix is not to be told from an ordinary address.
func inside(addr netip.Addr) (netip.Addr, bool) {
	b := addr.As16()
	last := [4]byte(b[12:])
	switch {
	case addr.Is4(), addr == netip.IPv6Unspecified(), addr == netip.IPv6Loopback():
		return netip.Addr{}, false
	case compatible.Contains(addr), translated.Contains(addr), nat64.Contains(addr), localNAT64.Contains(addr):
		return netip.AddrFrom4(last), true
	case sixToFour.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case teredo.Contains(addr):
		for i := range last {
			last[i] ^= 0xff
		}
		return netip.AddrFrom4(last), true
	}
	return netip.Addr{}, false
}

// hidden reports whether an address of the NAT64 prefix for local use is in one
// of the forms that do not end in the IPv4 address (RFC 6052, section 2.2).
// Those end in 24 zero bits at the least, as no host's IPv4 address does.
func hidden(addr netip.Addr) bool {
	b := addr.As16()
	return localNAT64.Contains(addr) && [3]byte(b[13:]) == [3]byte{}
}

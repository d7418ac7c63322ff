package fetch_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"mtls-auth/mtlsauth/internal/revocation/fetch"
)

// TestAllowed: what is allowed, with private addresses and without.
func TestAllowed(t *testing.T) {
	const (
		public  = "public"  // always allowed
		private = "private" // unless private ones are denied
		never   = "never"
	)
	open, strict := fetch.New(fetch.Options{}), fetch.New(fetch.Options{DenyPrivate: true})
	for _, test := range []struct{ addr, want string }{
		{"1.1.1.1", public}, {"8.8.8.8", public}, {"2606:4700::1111", public}, {"2a00::1", public},

		{"0.0.0.0", never}, {"0.0.0.1", never}, {"0.255.255.255", never}, {"1.0.0.0", public},
		{"::", never}, {"::1", private}, {"::2", never},

		{"9.255.255.255", public}, {"10.0.0.0", private}, {"10.255.255.255", private}, {"11.0.0.0", public},
		{"126.255.255.255", public}, {"127.0.0.1", private}, {"127.255.255.255", private}, {"128.0.0.0", public},
		{"172.15.255.255", public}, {"172.16.0.0", private}, {"172.31.255.255", private}, {"172.32.0.0", public},
		{"192.167.255.255", public}, {"192.168.0.0", private}, {"192.168.255.255", private}, {"192.169.0.0", public},
		{"100.63.255.255", public}, {"100.64.0.0", private}, {"100.127.255.255", private}, {"100.128.0.0", public},
		{"192.0.0.1", private}, {"192.0.1.0", public}, {"192.0.2.1", private}, {"192.0.3.0", public},
		{"192.88.99.1", private}, {"198.17.255.255", public}, {"198.18.0.0", private}, {"198.19.255.255", private},
		{"198.20.0.0", public}, {"198.51.100.1", private}, {"203.0.113.1", private},
		{"223.255.255.255", public}, {"224.0.0.0", never}, {"239.255.255.255", never},
		{"240.0.0.0", private}, {"255.255.255.254", private}, {"255.255.255.255", never},

		{"169.253.255.255", public}, {"169.254.0.0", never}, {"169.254.169.254", never}, {"169.254.170.2", never},
		{"169.254.255.255", never}, {"169.255.0.0", public},
		{"fe80::1", never}, {"fe80::a9fe:a9fe", never}, {"febf:ffff::1", never}, {"fec0::1", private}, {"feff::1", private},
		{"ff00::", never}, {"ff02::1", never}, {"ff0e::1", never}, {"ffff::1", never},
		{"fbff::1", public}, {"fc00::1", private}, {"fd12:3456::1", private}, {"fdff::1", private}, {"fe00::1", public},

		// Metadata services beyond link-local.
		{"168.63.129.15", public}, {"168.63.129.16", never}, {"168.63.129.17", public},
		{"100.100.100.199", private}, {"100.100.100.200", never}, {"100.96.0.96", never}, {"100.80.80.80", never},
		{"192.0.0.192", never}, {"fd00:ec2::254", never}, {"fd00:ec2::23", never}, {"fd00:ec2:0:1::1", never},
		{"fd00:ec3::254", private}, {"fd20:ce::254", never}, {"fd20:ce::255", private}, {"fd00:c1::a9fe:a9fe", never},
		{"fd00:42::42", never}, {"fd00:a9fe:a9fe::1", never}, {"fd00:100::100:200", never},

		// IPv6 for documentation and the like.
		{"100::1", private}, {"100:0:0:1::1", private}, {"100:0:0:2::1", public}, {"2001:1ff::1", private},
		{"2001:200::1", public}, {"2001:2::1", private}, {"2001:20::1", private}, {"2001:db8::1", private},
		{"2001:db9::1", public}, {"3fff:fff::1", private}, {"3fff:1000::1", public}, {"5f00::1", private},

		// IPv4 inside: mapped, compatible, translated.
		{"::ffff:8.8.8.8", public}, {"::ffff:127.0.0.1", private}, {"::ffff:10.0.0.1", private},
		{"::ffff:169.254.169.254", never}, {"::ffff:0.0.0.0", never}, {"::ffff:168.63.129.16", never},
		{"::8.8.8.8", public}, {"::127.0.0.1", private}, {"::169.254.169.254", never}, {"::224.0.0.1", never},
		{"::ffff:0:8.8.8.8", public}, {"::ffff:0:10.0.0.1", private}, {"::ffff:0:169.254.169.254", never},

		// NAT64: the well-known prefix and the one for local use.
		{"64:ff9b::8.8.8.8", public}, {"64:ff9b::127.0.0.1", private}, {"64:ff9b::192.168.1.1", private},
		{"64:ff9b::169.254.169.254", never}, {"64:ff9b::100.100.100.200", never}, {"64:ff9b::0.0.0.0", never},
		{"64:ff9b:0:0:0:1:a9fe:a9fe", public}, // no longer of the prefix
		{"64:ff9b:1::8.8.8.8", public}, {"64:ff9b:1:fffe:1:2:8.8.8.8", public}, {"64:ff9b:1::10.0.0.1", private},
		{"64:ff9b:1::169.254.169.254", never}, {"64:ff9b:1:ffff:ffff:ffff:a9fe:a9fe", never},
		{"64:ff9b:1:a9fe:a9:fe00::", never},      // 169.254.169.254 under a prefix of 48 bits
		{"64:ff9b:1:a9:fe:a9fe::", never},        // of 56 bits
		{"64:ff9b:1:0:a9:fea9:fe00:0", never},    // of 64 bits
		{"64:ff9b:1:0:64:6464:c800:0", never},    // 100.100.100.200, of 64 bits
		{"64:ff9b:1:0:64:6464:c800:100", public}, // reads as 200.0.1.0
		{"64:ff9b:2::169.254.169.254", public},   // a network's own prefix is not to be known

		// 6to4 and Teredo.
		{"2002:808:808::1", public}, {"2002:7f00:1::1", private}, {"2002:a00:1:2:3:4:5:6", private},
		{"2002:a9fe:a9fe::1", never}, {"2002:a9fe:a9fe:ffff::", never}, {"2002:a83f:8110::", never}, {"2003:a9fe:a9fe::1", public},
		{"2001:0:808:808:0:ffff:f7f7:f7f7", private}, // Teredo's own range
		{"2001:0:808:808:0:ffff:5601:5601", never},   // 169.254.169.254

		// A zone changes nothing.
		{"fe80::1%eth0", never}, {"::1%lo", private}, {"fc00::1%1", private}, {"2606:4700::1111%eth0", public},
		{"fd00:ec2::254%eth0", never}, {"64:ff9b::169.254.169.254%eth0", never}, {"ff02::1%eth0", never}, {"::%eth0", never},
	} {
		ap := netip.AddrPortFrom(netip.MustParseAddr(test.addr), 80)
		for _, denied := range []bool{false, true} {
			c, want := open, test.want != never
			if denied {
				c, want = strict, test.want == public
			}
			err := c.Allowed(ap)
			if (err == nil) != want {
				t.Errorf("%s with private addresses denied %v: got %v, want allowed %v", test.addr, denied, err, want)
			}
			if err != nil {
				wantKind(t, test.addr, err, fetch.Refused)
			}
		}
	}
	for _, c := range []*fetch.Client{open, strict} {
		if err := c.Allowed(netip.AddrPort{}); err == nil {
			t.Error("no address is allowed")
		}
	}
}

// TestMappedZone: netip keeps no zone on such an address when it is read, but
// one can be made.
func TestMappedZone(t *testing.T) {
	mapped := netip.AddrFrom16(netip.MustParseAddr("::ffff:169.254.169.254").As16()).WithZone("eth0")
	if err := fetch.New(fetch.Options{}).Allowed(netip.AddrPortFrom(mapped, 80)); err == nil {
		t.Errorf("%v is allowed", mapped)
	}
}

func TestOwnListeners(t *testing.T) {
	machine := func() ([]net.Addr, error) {
		return []net.Addr{
			&net.IPNet{IP: net.ParseIP("198.51.100.7"), Mask: net.CIDRMask(24, 32)},
			&net.IPNet{IP: net.ParseIP("2001:db8::7"), Mask: net.CIDRMask(64, 128)},
			&net.TCPAddr{IP: net.ParseIP("198.51.100.8")}, // of a kind that is not expected
		}, nil
	}
	for _, test := range []struct {
		name, listener, addr string
		want                 bool
	}{
		{"the same", "127.0.0.1:8001", "127.0.0.1:8001", false},
		{"another port", "127.0.0.1:8001", "127.0.0.1:8002", true},
		{"another address", "127.0.0.1:8001", "127.0.0.2:8001", true},
		{"another family", "127.0.0.1:8001", "[::1]:8001", true},
		{"IPv6", "[::1]:8001", "[::1]:8001", false},
		{"IPv6 with a zone", "[fc00::1]:8001", "[fc00::1%eth0]:8001", false},
		{"listener with a zone", "[fc00::1%eth0]:8001", "[fc00::1]:8001", false},
		{"mapped", "127.0.0.1:8001", "[::ffff:127.0.0.1]:8001", false},
		{"listener mapped", "[::ffff:127.0.0.1]:8001", "127.0.0.1:8001", false},
		{"translated", "127.0.0.1:8001", "[64:ff9b::127.0.0.1]:8001", false},
		{"6to4", "198.51.100.7:8001", "[2002:c633:6407::1]:8001", false},
		{"of this machine", "198.51.100.7:8001", "198.51.100.7:8001", false},
		{"of another machine", "198.51.100.7:8001", "198.51.100.9:8001", true},
		{"everywhere, loopback", "0.0.0.0:8001", "127.0.0.1:8001", false},
		{"everywhere, any loopback", "0.0.0.0:8001", "127.1.2.3:8001", false},
		{"everywhere, IPv6 loopback", "0.0.0.0:8001", "[::1]:8001", false},
		{"everywhere, IPv4", "0.0.0.0:8001", "198.51.100.7:8001", false},
		{"everywhere, IPv6", "0.0.0.0:8001", "[2001:db8::7]:8001", false},
		{"everywhere by IPv6, IPv4", "[::]:8001", "198.51.100.7:8001", false},
		{"everywhere, mapped", "[::]:8001", "[::ffff:198.51.100.7]:8001", false},
		{"everywhere, NAT64", "[::]:8001", "[64:ff9b::198.51.100.7]:8001", false},
		{"everywhere, another machine", "0.0.0.0:8001", "198.51.100.9:8001", true},
		{"everywhere, another port", "0.0.0.0:8001", "198.51.100.7:8002", true},
	} {
		c := fetch.New(fetch.Options{OwnListeners: func() []netip.AddrPort {
			return []netip.AddrPort{{}, netip.MustParseAddrPort("192.0.2.200:1"), netip.MustParseAddrPort(test.listener)}
		}})
		c.UseInterfaceAddrs(machine)
		err := c.Allowed(netip.MustParseAddrPort(test.addr))
		if (err == nil) != test.want {
			t.Errorf("%s: got %v, want allowed %v", test.name, err, test.want)
		}
	}
}

// TestUnknownMachine: where the machine does not tell its addresses, every one
// may be its own.
func TestUnknownMachine(t *testing.T) {
	c := fetch.New(fetch.Options{OwnListeners: func() []netip.AddrPort {
		return []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:8443")}
	}})
	c.UseInterfaceAddrs(func() ([]net.Addr, error) { return nil, errors.New("no netlink") })
	if err := c.Allowed(netip.MustParseAddrPort("198.51.100.9:8443")); err == nil {
		t.Error("Kong's port is allowed")
	}
	if err := c.Allowed(netip.MustParseAddrPort("198.51.100.9:80")); err != nil {
		t.Errorf("another port: %v", err)
	}
}

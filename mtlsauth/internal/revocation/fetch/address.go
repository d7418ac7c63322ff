package fetch

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

const (
	// maxURL is what RFC 9110, section 4.1, asks everyone to support. An OCSP
	// GET has some 300 characters; a redirect to a cloud's signed address
	// reaches 2,000.
	maxURL = 8000

	// maxName is that of the DNS (RFC 1035, section 2.3.4), with a dot at its
	// end.
	maxName = 254
)

// Address is where a URL leads: what failures to connect are counted by. It is
// comparable, and equal for different spellings of one address.
type Address struct {
	Scheme string // http or https
	Host   string // name in lower case, or IP address without brackets
	Port   uint16 // 80 or 443 where the URL names none
}

// String returns scheme://host:port.
func (a Address) String() string { return a.Scheme + "://" + a.hostport() }

func (a Address) hostport() string {
	return net.JoinHostPort(a.Host, strconv.Itoa(int(a.Port)))
}

// Origin returns the address of a URL. It refuses, with kind BadAddress, what
// is no address for Do by its spelling alone. A fragment is left out.
func Origin(url string) (Address, error) {
	t, err := parse(url)
	if err != nil {
		return Address{}, err
	}
	return t.Address, nil
}

// target is a URL that was taken apart once; what is judged and what is
// connected to can not differ.
type target struct {
	Address
	url     url.URL
	literal netip.Addr // of an IP address as a host, else invalid
}

// parse reads a URL (RFC 3986) as certificates and redirects have it.
func parse(raw string) (target, error) {
	if len(raw) > maxURL {
		return target{}, badAddress("an address of %d characters, at most %d are accepted", len(raw), maxURL)
	}
	// A URI has no other characters: RFC 5280, section 7, asks for others to
	// be mapped to these before they get into a certificate.
	if !printable(raw) {
		return target{}, badAddress("an address with a space, a control character or one beyond ASCII")
	}
	u, err := url.Parse(raw)
	if err != nil {
		// Its error repeats the address.
		return target{}, badAddress("the address is no URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return target{}, badAddress("the scheme %.20q is neither http nor https", u.Scheme)
	}
	if u.User != nil {
		return target{}, badAddress("an address with a user name")
	}
	t := target{Address: Address{Scheme: u.Scheme, Host: strings.ToLower(u.Hostname())}}
	if t.Port, err = port(u); err != nil {
		return target{}, err
	}
	if t.literal, err = literal(t.Host); err != nil {
		return target{}, err
	}
	if t.literal.IsValid() {
		t.Host = t.literal.String()
	}
	t.url = url.URL{Scheme: u.Scheme, Host: t.hostport(), Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery, ForceQuery: u.ForceQuery}
	if t.Port == defaultPort(t.Scheme) {
		t.url.Host = strings.TrimSuffix(t.url.Host, ":"+strconv.Itoa(int(t.Port)))
	}
	return t, nil
}

// follow returns the target of a redirect from t.
func (t target) follow(location string) (target, error) {
	if location == "" || len(location) > maxURL || !printable(location) {
		return target{}, badAddress("a redirect without a usable address")
	}
	u, err := t.url.Parse(location)
	if err != nil {
		return target{}, badAddress("a redirect to what is no URL")
	}
	return parse(u.String())
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

func defaultPort(scheme string) uint16 {
	if scheme == "https" {
		return 443
	}
	return 80
}

// port allows a port to be empty, as RFC 3986, section 3.2.3, does.
func port(u *url.URL) (uint16, error) {
	text := u.Port()
	if text == "" {
		return defaultPort(u.Scheme), nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, badAddress("the port %.10q is not between 1 and 65535", text)
	}
	return uint16(n), nil
}

// literal returns the IP address that a host is, an invalid one for a name, and
// an error for what is neither. What resolvers and proxies might read as an
// IPv4 address, such as 2130706433, 0x7f.1 or 127.0.0.01, is neither: it would
// be judged as a name and connected to as an address. So is an IPv6 address
// with a zone, which means something on one machine alone (RFC 9844).
func literal(host string) (netip.Addr, error) {
	if host == "" || len(host) > maxName {
		return netip.Addr{}, badAddress("a host of %d characters", len(host))
	}
	numeric := endsInNumber(host)
	if numeric || strings.Contains(host, ":") {
		addr, err := netip.ParseAddr(host)
		if err != nil || addr.Zone() != "" {
			return netip.Addr{}, badAddress("the host %.60q is no IP address", host)
		}
		return addr.Unmap(), nil
	}
	for i := range len(host) {
		switch c := host[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case c == '.' && i > 0 && host[i-1] != '.':
		default:
			return netip.Addr{}, badAddress("the host %.60q is no name", host)
		}
	}
	return netip.Addr{}, nil
}

// endsInNumber reports whether the last label of a host is a decimal or
// hexadecimal number. No top-level domain is.
func endsInNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	digits := "0123456789"
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		last, digits = hex, "0123456789abcdef"
		if hex == "" {
			return true
		}
	}
	return last != "" && strings.Trim(last, digits) == ""
}

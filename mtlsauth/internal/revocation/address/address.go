// Package address reads the http and https URLs of OCSP responders and CRLs as
// certificates and redirects have them (RFC 3986), and brings them into their
// normal form, in which they are compared.
package address

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
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
func (a Address) String() string { return a.Scheme + "://" + a.HostPort() }

// HostPort returns host:port, an IPv6 address in brackets.
func (a Address) HostPort() string {
	return net.JoinHostPort(a.Host, strconv.Itoa(int(a.Port)))
}

// URL is a URL that was taken apart once, so that what is judged and what is
// connected to cannot differ.
type URL struct {
	Address
	url url.URL
	// Literal is the IP address that the host is; invalid for a name.
	Literal netip.Addr
}

// String returns the normal form (RFC 3986, sections 6.2.2 and 6.2.3): scheme and
// host in lower case, no default port, no dot segments, no percent-encoding that
// is not needed, hexadecimal digits in capitals, a space as %20, no fragment.
func (u URL) String() string { return u.url.String() }

// Parse reads a URL. It refuses what is not an http or https URL, has a user name
// or a host that is neither a name nor a plain IP address.
func Parse(raw string) (URL, error) {
	if len(raw) > maxURL {
		return URL{}, fmt.Errorf("a URL of %d characters, at most %d are accepted", len(raw), maxURL)
	}
	raw = strings.ReplaceAll(strings.Trim(raw, " "), " ", "%20") // as curl and Windows send it
	// A URI has no other characters: RFC 5280, section 7, asks for others to
	// be mapped to these before they get into a certificate.
	if !printable(raw) {
		return URL{}, errors.New("a URL with a control character or one beyond ASCII")
	}
	u, err := url.Parse(raw)
	if err != nil {
		// Its error repeats the URL.
		return URL{}, errors.New("malformed URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return URL{}, fmt.Errorf("the scheme %.20q is neither http nor https", u.Scheme)
	}
	if u.User != nil {
		return URL{}, errors.New("a URL with a user name")
	}
	t := URL{Address: Address{Scheme: u.Scheme, Host: strings.ToLower(u.Hostname())}}
	if t.Port, err = port(u); err != nil {
		return URL{}, err
	}
	if t.Literal, err = literal(t.Host); err != nil {
		return URL{}, err
	}
	if t.Literal.IsValid() {
		t.Host = t.Literal.String()
	}
	t.url = url.URL{Scheme: u.Scheme, Host: t.HostPort(), RawQuery: normalEscapes(u.RawQuery), ForceQuery: u.ForceQuery}
	if t.Port == defaultPort(t.Scheme) {
		t.url.Host = strings.TrimSuffix(t.url.Host, ":"+strconv.Itoa(int(t.Port)))
	}
	t.url.RawPath = withoutDots(normalEscapes(u.EscapedPath()))
	if t.url.Path, err = url.PathUnescape(t.url.RawPath); err != nil {
		return URL{}, errors.New("malformed URL")
	}
	return t, nil
}

// Equal reports whether two URIs are the same by their normal form; of what is
// not an http or https URL, byte for byte.
func Equal(a, b string) bool {
	if a == b {
		return true
	}
	x, errX := Parse(a)
	y, errY := Parse(b)
	return errX == nil && errY == nil && x.String() == y.String()
}

// normalEscapes decodes what need not be percent-encoded (section 2.3), and has
// the digits of the rest in capitals.
func normalEscapes(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' || i+2 >= len(s) {
			out.WriteByte(s[i])
			continue
		}
		c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		switch {
		case err != nil:
			out.WriteByte(s[i])
			continue
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.ContainsRune("-._~", rune(c)):
			out.WriteByte(byte(c))
		default:
			out.WriteString(strings.ToUpper(s[i : i+3]))
		}
		i += 2
	}
	return out.String()
}

// withoutDots removes dot segments (section 5.2.4). A doubled slash is part of the
// path, as in an OCSP request in base64.
func withoutDots(p string) string {
	if p == "" {
		return "/"
	}
	if !strings.Contains(p, "/.") {
		return p
	}
	const slash = "\x00" // an empty segment is one, which path.Clean would drop
	for strings.Contains(p, "//") {
		p = strings.ReplaceAll(p, "//", "/"+slash+"/")
	}
	end := ""
	if strings.HasSuffix(p, "/") || strings.HasSuffix(p, "/.") || strings.HasSuffix(p, "/..") {
		end = "/"
	}
	p = strings.TrimSuffix(path.Clean(p), "/") + end
	return strings.ReplaceAll(p, slash, "")
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
		return 0, fmt.Errorf("the port %.10q is not between 1 and 65535", text)
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
		return netip.Addr{}, fmt.Errorf("a host of %d characters", len(host))
	}
	numeric := endsInNumber(host)
	if numeric || strings.Contains(host, ":") {
		addr, err := netip.ParseAddr(host)
		if err != nil || addr.Zone() != "" {
			return netip.Addr{}, fmt.Errorf("the host %.60q is no IP address", host)
		}
		return addr.Unmap(), nil
	}
	for i := range len(host) {
		switch c := host[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case c == '.' && i > 0 && host[i-1] != '.':
		default:
			return netip.Addr{}, fmt.Errorf("the host %.60q is no name", host)
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

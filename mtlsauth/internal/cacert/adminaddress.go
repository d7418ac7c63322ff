package cacert

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
)

// adminAddress is where an Admin API is.
type adminAddress struct {
	base   string // URL without a slash at its end; what comes before /ca_certificates
	host   string // what a TLS server's certificate must be for
	socket string // path of a Unix socket, or empty
	tls    bool

	// loopback has the connection refused if the name leads elsewhere: plain
	// http is for this machine only.
	loopback bool
}

func (a adminAddress) String() string {
	if a.socket != "" {
		return "unix:" + a.socket
	}
	return a.base
}

// parseAdminURL reads -admin-url. Its errors say what is wrong and what is
// allowed; they do not repeat a password.
func parseAdminURL(raw string, allowHTTP bool) (adminAddress, error) {
	if path, ok := strings.CutPrefix(raw, "unix:"); ok {
		if !filepath.IsAbs(path) {
			return adminAddress{}, fmt.Errorf("%q: the path of a Unix socket begins with /", raw)
		}
		return adminAddress{base: "http://localhost", socket: path}, nil
	}
	const allowed = "allowed are https://HOST[:PORT][/PATH], http:// to a loopback address, and unix:PATH"
	u, err := url.Parse(raw)
	if err != nil {
		// The error of net/url repeats the whole text.
		return adminAddress{}, errors.New("it is no URL; " + allowed)
	}
	switch {
	case u.User != nil:
		return adminAddress{}, fmt.Errorf("%q: a URL with a user name is refused; a token comes from -admin-token-file", u.Redacted())
	case u.Scheme != "http" && u.Scheme != "https", u.Opaque != "", u.Hostname() == "", u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return adminAddress{}, fmt.Errorf("%q: %s", raw, allowed)
	case !validPort(u.Port(), strings.HasSuffix(u.Host, ":")):
		return adminAddress{}, fmt.Errorf("%q: a port is between 1 and 65535", raw)
	}
	a := adminAddress{
		base: u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"),
		host: u.Hostname(),
		tls:  u.Scheme == "https",
	}
	if !a.tls && !allowHTTP {
		if !isLoopback(a.host) {
			return adminAddress{}, fmt.Errorf("%q: plain http to another machine needs -admin-allow-http; %s", raw, allowed)
		}
		a.loopback = true
	}
	return a, nil
}

func validPort(port string, colon bool) bool {
	if port == "" {
		return !colon
	}
	n, err := net.LookupPort("tcp", port)
	return err == nil && n > 0
}

// isLoopback says whether a host is this machine by its name alone.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

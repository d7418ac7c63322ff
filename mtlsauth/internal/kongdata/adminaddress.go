package kongdata

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"mtls-auth/mtlsauth/internal/kongenv"
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

// adminAt returns the Admin API at the URL of -admin-url.
func (c Config) adminAt(url string) (*adminAPI, error) {
	address, err := parseAdminURL(url, c.AdminAllowHTTP)
	if err != nil {
		return nil, fmt.Errorf("-admin-url %w", err)
	}
	return newAdminAPI(address, newAdminAccess(c, nil)), nil
}

// adminOf returns the Admin API of .kong_env. At loopback the certificate that
// admin_ssl_cert names is trusted, too.
func (c Config) adminOf(env *kongenv.Settings) (*adminAPI, error) {
	address, ok := usable(env.AdminURLs(), c.AdminAllowHTTP)
	if !ok {
		return nil, errors.New("admin_listen of .kong_env has no address that can be asked without -admin-allow-http; -admin-url can name one")
	}
	var pins []string
	if address.tls && isLoopback(address.host) {
		pins = env.AdminCertificates(c.Prefix)
	}
	return newAdminAPI(address, newAdminAccess(c, pins)), nil
}

// usable returns the first address that may be asked: plain http goes to loopback
// alone, and elsewhere with -admin-allow-http.
func usable(urls []string, allowHTTP bool) (adminAddress, bool) {
	for _, url := range urls {
		if address, err := parseAdminURL(url, allowHTTP); err == nil {
			return address, true
		}
	}
	return adminAddress{}, false
}

// parseAdminURL reads -admin-url. Its errors say what is wrong and what it must be;
// they do not repeat a password.
func parseAdminURL(raw string, allowHTTP bool) (adminAddress, error) {
	if path, ok := strings.CutPrefix(raw, "unix:"); ok {
		if !filepath.IsAbs(path) {
			return adminAddress{}, fmt.Errorf("%q: the path of a Unix socket must begin with /", raw)
		}
		return adminAddress{base: "http://localhost", socket: path}, nil
	}
	text := shown(raw)
	u, err := url.Parse(raw)
	switch {
	case err == nil && u.User != nil:
		return adminAddress{}, fmt.Errorf("%s: a URL with a user name is refused; a token comes from -admin-token-file", text)
	case !strings.Contains(raw, "://"):
		return adminAddress{}, fmt.Errorf("%s: no scheme; %s", text, allowedURLs)
	case err != nil:
		return adminAddress{}, fmt.Errorf("%s: it is not a URL; %s", text, allowedURLs)
	case u.Scheme != "http" && u.Scheme != "https":
		return adminAddress{}, fmt.Errorf("%s: the scheme is neither https nor http; %s", text, allowedURLs)
	case u.Hostname() == "":
		return adminAddress{}, fmt.Errorf("%s: no host; %s", text, allowedURLs)
	case u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return adminAddress{}, fmt.Errorf("%s: a query or fragment is refused; %s", text, allowedURLs)
	case !validPort(u.Port(), strings.HasSuffix(u.Host, ":")):
		return adminAddress{}, fmt.Errorf("%s: a port must be between 1 and 65535", text)
	}
	a := adminAddress{
		base: u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"),
		host: u.Hostname(),
		tls:  u.Scheme == "https",
	}
	if !a.tls && !allowHTTP {
		if !isLoopback(a.host) {
			return adminAddress{}, fmt.Errorf("%s: plain http to another machine needs -admin-allow-http; %s", text, allowedURLs)
		}
		a.loopback = true
	}
	return a, nil
}

const allowedURLs = "must be https://HOST[:PORT][/PATH], http:// to a loopback address, or unix:PATH"

// shown is a URL as an error may name it: without what may be a password or a
// token.
func shown(raw string) string {
	if strings.Contains(raw, "@") {
		return `(not shown, since it holds "@")`
	}
	address, _, cut := strings.Cut(raw, "?")
	if cut {
		address += "?…"
	}
	return strconv.Quote(address)
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

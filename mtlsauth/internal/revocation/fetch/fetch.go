// Package fetch exchanges HTTP requests with OCSP responders (RFC 6960,
// appendix A.1) and CRL hosts (RFC 5280, section 4.2.1.13). Their addresses
// come from certificates, so that a client with a certificate of a careless CA may choose
// where this machine connects to. Therefore:
//
//   - what is judged is the address that a connection is really made to, after
//     the name is resolved, at each connection, redirect and retry: an answer
//     of the DNS that changes gains nothing;
//   - header, body and redirects are bounded, and the caller's context ends
//     everything, from the first packet to the last byte of the body;
//   - nothing is sent that the caller did not hand over: no cookies,
//     credentials, Referer or client certificate, and no proxy but the
//     configured one. Nothing is decompressed.
//
// What comes back is as untrusted as before. Who signed it is for others to
// judge.
package fetch

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"

	"mtls-auth/mtlsauth/internal/revocation/address"
)

// Options is what all exchanges of a Client have in common.
type Options struct {
	// UserAgent is the User-Agent header; empty: none is sent.
	UserAgent string

	// DenyPrivate refuses loopback, private and other addresses that are not
	// on the public Internet, besides those that are always refused.
	DenyPrivate bool

	// OwnListeners returns the addresses that Kong listens at, which are
	// refused. It is asked at each connection. An unspecified address stands
	// for every address of this machine at its port. nil: none.
	OwnListeners func() []netip.AddrPort

	// Roots are the CA certificates that TLS servers are verified with; nil:
	// the system's.
	Roots *x509.CertPool
}

// How says by which way an exchange is made. Connections are shared only
// between equals.
type How struct {
	// HTTPProxy and HTTPSProxy are the forward proxies for http:// and
	// https:// addresses, as host:port; empty: none. They are the operator's
	// choice, and their addresses are not judged.
	HTTPProxy, HTTPSProxy string

	// SSLVerify has TLS servers verified; the zero value does not.
	SSLVerify bool
}

// Proxy returns the proxy for an address, empty for none.
func (h How) Proxy(a address.Address) string {
	if a.Scheme == "https" {
		return h.HTTPSProxy
	}
	return h.HTTPProxy
}

// Request is what is asked.
type Request struct {
	// Method is GET or POST; empty: GET. A POST has to be safe to repeat, as
	// OCSP's is: one that a kept connection loses is sent again.
	Method string
	URL    string

	Body        []byte // of a POST
	ContentType string // of Body
	Accept      string // empty: none is sent

	// IfNoneMatch and IfModifiedSince are the ETag and LastModified of an
	// earlier Response; empty: none. They count for a GET, which they make
	// conditional (RFC 9110, section 13.1).
	IfNoneMatch, IfModifiedSince string
}

// Response is what was answered: 200, or 304 to a conditional GET. Any other
// status is an error.
type Response struct {
	Status             int
	ETag, LastModified string // for the next conditional GET; empty: none

	// Body is what a 200 brought, empty for a 304; it is never nil, and has to
	// be closed. It ends with an Error of kind TooLarge when there is more of
	// it than was allowed, and of kind Timeout or Canceled when the context of
	// Do ends first.
	Body io.ReadCloser
}

const (
	// maxRedirects is the contract's. It is one more than a host that moved to
	// another name and from http to https needs.
	maxRedirects = 3

	// maxHeader bounds the header of an answer, what precedes it included. A
	// CRL host behind a CDN sends 1 to 2 KiB.
	maxHeader = 16 << 10

	// maxValidator bounds what is remembered of ETag and Last-Modified. ETags
	// are hashes; a longer one is as good as none.
	maxValidator = 512
)

var (
	errRedirects     = fmt.Errorf("more than %d redirects", maxRedirects)
	errMethodChanged = errors.New("a redirect of a POST that would lose what was asked")
)

// Client exchanges HTTP requests. It may be used by several goroutines.
type Client struct {
	options Options
	direct  net.Dialer // judges each address before it connects
	toProxy net.Dialer

	mu         sync.Mutex
	transports map[way]*http.Transport

	// interfaceAddrs lists the addresses of this machine.
	interfaceAddrs func() ([]net.Addr, error)
}

// New returns a Client. It connects to nothing.
func New(o Options) *Client {
	c := &Client{options: o, transports: make(map[way]*http.Transport), interfaceAddrs: net.InterfaceAddrs}
	c.direct.ControlContext = c.control
	return c
}

// Do makes one exchange, redirects included, and fails closed: an answer is
// returned only when the whole header is there and nothing about it is out of
// bounds. Its error is an *Error.
//
// Only ctx limits the time, that of reading the body included: it has to have a
// deadline, and has to live until the body is read. maxBytes is the size of the
// largest body that is accepted; under 0 is 0.
//
// Redirects are followed within http and https, three at most. 307 and 308
// repeat the request; 301, 302 and 303 do so for a GET alone. After a POST, RFC
// 9110 (section 15.4) lets a client change to GET, which would ask the
// responder for nothing; that is refused.
func (c *Client) Do(ctx context.Context, r Request, how How, maxBytes int64) (*Response, error) {
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return nil, &Error{Kind: Protocol, Err: fmt.Errorf("method %q is neither GET nor POST", r.Method)}
	}
	if err := how.check(); err != nil {
		return nil, err
	}
	u, err := address.Parse(r.URL)
	if err != nil {
		return nil, &Error{Kind: BadAddress, Err: err}
	}
	request, err := c.request(ctx, r, u)
	if err != nil {
		return nil, failed(ctx, "making a request", Timeout, Protocol, err)
	}
	maxBytes = max(maxBytes, 0)
	if err := endOf(ctx); err != nil {
		return nil, failed(ctx, "making a request", Timeout, Timeout, err)
	}
	x := &exchange{client: c, how: how, failing: Protocol, late: Timeout}
	answer, err := (&http.Client{Transport: x, CheckRedirect: x.redirect}).Do(request)
	if err != nil {
		if outer, ok := errors.AsType[*url.Error](err); ok {
			err = outer.Err // which repeats the address
		}
		return nil, x.astray(failed(ctx, "waiting for an answer", x.late, x.failing, err))
	}
	from := &body{ctx: ctx, from: answer.Body, left: maxBytes, limit: maxBytes}
	response, err := judgeHeader(answer, r, maxBytes)
	if err != nil {
		from.Close()
		return nil, x.astray(err)
	}
	response.Body = from
	if response.Status == http.StatusNotModified {
		from.Close()
		response.Body = http.NoBody
	}
	return response, nil
}

// check refuses a proxy that is not host:port; that host is resolved when
// connecting.
func (h How) check() error {
	for _, proxy := range []string{h.HTTPProxy, h.HTTPSProxy} {
		if proxy == "" {
			continue
		}
		host, port, err := net.SplitHostPort(proxy)
		if err != nil || port == "" || CheckProxyHost(host) != nil {
			return &Error{Kind: BadAddress, Err: errors.New("the proxy's address must be host:port")}
		}
	}
	return nil
}

// CheckProxyHost refuses what is not the host name or IP address of a proxy, such
// as a URL, credentials or a name with a space.
func CheckProxyHost(host string) error {
	u, err := address.Parse("http://" + net.JoinHostPort(host, "80"))
	if err != nil || strings.TrimSpace(host) != host || u.String() != "http://"+strings.TrimSuffix(u.HostPort(), ":80")+"/" {
		return errors.New("must be a host name or an IP address, without scheme, port or credentials")
	}
	return nil
}

// astray gives an error after redirects its kind: where they lead is not the
// address that was asked for, and what is wrong with it says nothing about that
// one.
func (x *exchange) astray(err error) error {
	if x.followed == 0 {
		return err
	}
	kind := KindOf(err)
	switch kind {
	case BadAddress, Refused, Connect:
		kind = Redirect
	}
	return &Error{Kind: kind, Err: fmt.Errorf("after a redirect: %w", err)}
}

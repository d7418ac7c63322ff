package fetch

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/address"
)

const (
	// maxTransports bounds the ways whose connections are kept: plugins differ in
	// proxy and ssl_verify, and few gateways have more than two or three of them.
	maxTransports = 32

	// maxIdle and maxIdlePerHost bound the connections that are kept for each
	// way, to all hosts and to one: a handful of CAs, each asked by some
	// requests at a time.
	maxIdle        = 32
	maxIdlePerHost = 8

	// idleTimeout is shorter than what servers keep a connection for, mostly
	// 60 s, so that few are lost under a request.
	idleTimeout = 30 * time.Second
)

// way is what connections are shared by. A proxy has transports of its own, so
// that what is dialed by one is the proxy, and all that is dialed by the others is
// judged.
type way struct {
	proxy     string
	sslVerify bool
}

// callerKey is where a request's context holds itself. http.Transport dials
// with a context of its own that has the values but not the end. Here a dial ends
// with the request that began it.
type callerKey struct{}

func withCaller(ctx context.Context) context.Context {
	return context.WithValue(ctx, callerKey{}, ctx)
}

func callerOf(ctx context.Context) context.Context {
	if caller, ok := ctx.Value(callerKey{}).(context.Context); ok {
		return caller
	}
	return ctx
}

func (c *Client) newTransport(w way) *http.Transport {
	dialer := &c.direct
	t := &http.Transport{
		TLSClientConfig: &tls.Config{
			RootCAs:    c.options.Roots,
			MinVersion: tls.VersionTLS12,
			// The operator's ssl_verify. What is fetched is signed by itself, and
			// nothing secret is sent.
			InsecureSkipVerify: !w.sslVerify,
		},
		Protocols:              new(http.Protocols),
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        idleTimeout,
	}
	t.Protocols.SetHTTP1(true)
	if w.proxy != "" {
		dialer = &c.toProxy
		t.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: w.proxy})
		t.ProxyConnectHeader = http.Header{"User-Agent": {c.options.UserAgent}}
	}
	t.DialContext = func(ctx context.Context, network, hostport string) (net.Conn, error) {
		ctx = callerOf(ctx)
		conn, err := dialer.DialContext(ctx, network, hostport)
		if deadline, ok := ctx.Deadline(); ok && err == nil {
			conn.SetDeadline(deadline) // of handshake and CONNECT, until the connection is used
		}
		return conn, err
	}
	return t
}

func (c *Client) transport(w way) *http.Transport {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.transports[w]; t != nil {
		return t
	}
	if len(c.transports) >= maxTransports {
		for _, old := range c.transports {
			old.CloseIdleConnections()
		}
		clear(c.transports)
	}
	t := c.newTransport(w)
	c.transports[w] = t
	return t
}

// exchange makes the requests of one Do.
type exchange struct {
	client        *Client
	how           How
	failing, late Kind // of an error now, and where the deadline comes
	followed      int  // redirects
}

// RoundTrip makes one request, by the proxy of its scheme.
func (x *exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	u, err := address.Parse(r.URL.String())
	if err != nil {
		return nil, &Error{Kind: BadAddress, Err: err}
	}
	if u.Literal.IsValid() {
		// A proxy would connect to it without its having been judged.
		if err := x.client.allowed(netip.AddrPortFrom(u.Literal, u.Port)); err != nil {
			return nil, err
		}
	}
	r = r.WithContext(httptrace.WithClientTrace(withCaller(r.Context()), &httptrace.ClientTrace{
		GetConn: func(string) { x.failing, x.late = Connect, Connect },
		GotConn: func(got httptrace.GotConnInfo) {
			x.failing, x.late = Protocol, Timeout
			got.Conn.SetDeadline(time.Time{})
		},
	}))
	answer, err := x.client.transport(way{x.how.Proxy(u.Address), x.how.SSLVerify}).RoundTrip(r)
	if err == nil && answer.StatusCode/100 == 3 {
		x.failing = Redirect // what http.Client finds wrong with it
	}
	return answer, err
}

// redirect is http.Client.CheckRedirect.
func (x *exchange) redirect(to *http.Request, via []*http.Request) error {
	from := via[len(via)-1]
	switch {
	case from.Method != to.Method:
		return &Error{Kind: Redirect, Err: errMethodChanged}
	case len(via) > maxRedirects:
		return &Error{Kind: Redirect, Err: errRedirects}
	}
	u, err := address.Parse(to.URL.String())
	if err != nil {
		return &Error{Kind: Redirect, Err: err}
	}
	if to.URL, err = url.Parse(u.String()); err != nil {
		return &Error{Kind: Redirect, Err: err}
	}
	to.Host = ""
	to.Header.Del("Referer")
	x.followed = len(via)
	return nil
}

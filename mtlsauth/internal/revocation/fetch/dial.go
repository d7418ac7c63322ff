package fetch

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// callerKey is where a request's context holds itself. http.Transport dials
// with a context of its own that has the values but not the end: it would let
// dials go on, without limit, for a later request. Here a dial ends with the
// request that began it, and shares its deadline out among the addresses of a
// name.
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

// dial connects to what an http address asks for: its host, which is judged, or
// the proxy.
func (c *Client) dial(ctx context.Context, hostport, proxy string) (net.Conn, error) {
	if proxy == "" {
		conn, err := c.direct.DialContext(ctx, "tcp", hostport)
		return conn, connecting(ctx, "connecting", err)
	}
	conn, err := c.toProxy.DialContext(ctx, "tcp", proxy)
	return conn, connecting(ctx, "connecting to the proxy", err)
}

// dialTLS does the same for an https address, through a tunnel where there is a
// proxy, and the TLS handshake.
func (c *Client) dialTLS(ctx context.Context, hostport string, how How) (net.Conn, error) {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, connecting(ctx, "connecting", err)
	}
	conn, err := c.dial(ctx, hostport, how.HTTPSProxy)
	if err != nil {
		return nil, err
	}
	if how.HTTPSProxy != "" {
		if err := c.tunnel(ctx, conn, hostport); err != nil {
			conn.Close()
			return nil, connecting(ctx, "asking the proxy for a tunnel", err)
		}
	}
	secure := tls.Client(conn, &tls.Config{
		ServerName: host,
		RootCAs:    c.options.Roots,
		MinVersion: tls.VersionTLS12,
		// The operator's ssl_verify. What is fetched is signed by itself, and
		// nothing secret is sent.
		InsecureSkipVerify: !how.SSLVerify,
	})
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, connecting(ctx, "shaking hands", err)
	}
	return secure, nil
}

// tunnel has the proxy on conn open a tunnel (RFC 9110, section 9.3.6). The
// name of the host is handed over as it is.
func (c *Client) tunnel(ctx context.Context, conn net.Conn, hostport string) error {
	// Where this comes late, the handshake that follows ends by ctx.
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	request := &http.Request{
		Method: http.MethodConnect,
		URL:    &url.URL{Opaque: hostport},
		Host:   hostport,
		Header: http.Header{"User-Agent": {c.options.UserAgent}},
	}
	if err := request.Write(conn); err != nil {
		return err
	}
	reader := bufio.NewReader(io.LimitReader(conn, maxHeader))
	response, err := http.ReadResponse(reader, request)
	if err != nil {
		return err
	}
	// A refusal may have a body; the connection ends either way.
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("it answered with status %d", response.StatusCode)
	}
	if reader.Buffered() > 0 {
		return errors.New("it sent more than its answer")
	}
	return nil
}

// connecting gives an error of dialing its kind, nil for none.
func connecting(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	if endOf(ctx) != nil {
		return failed(ctx, doing, Connect, err)
	}
	if refused, ok := errors.AsType[*Error](err); ok {
		return &Error{Kind: refused.Kind, Err: fmt.Errorf("%s: %w", doing, refused.Err)}
	}
	return &Error{Kind: Connect, Err: fmt.Errorf("%s: %w", doing, err)}
}

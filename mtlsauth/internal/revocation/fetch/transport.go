package fetch

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxTransports bounds the ways of asking whose connections are kept:
	// plugins differ in proxy and ssl_verify, and few gateways have more than
	// two or three combinations.
	maxTransports = 16

	// maxIdle and maxIdlePerHost bound the connections that are kept for each
	// way, to all hosts and to one: a handful of CAs, each asked by some
	// requests at a time.
	maxIdle        = 32
	maxIdlePerHost = 8

	// idleTimeout is shorter than what servers keep a connection for, mostly
	// 60 s, so that few are lost under a request.
	idleTimeout = 30 * time.Second
)

// transport is an http.Transport for one way of asking.
type transport struct {
	http.Transport
	how     How
	evicted atomic.Bool
}

func (c *Client) newTransport(how How) *transport {
	t := &transport{how: how}
	// Nothing of it comes from the environment, and https is tunnelled by
	// dialTLS: here it looks as if it were direct.
	if how.HTTPProxy != "" {
		proxy := &url.URL{Scheme: "http", Host: how.HTTPProxy}
		t.Proxy = func(r *http.Request) (*url.URL, error) {
			if r.URL.Scheme == "http" {
				return proxy, nil
			}
			return nil, nil
		}
	}
	t.DialContext = func(ctx context.Context, _, hostport string) (net.Conn, error) {
		return c.dial(callerOf(ctx), hostport, how.HTTPProxy)
	}
	t.DialTLSContext = func(ctx context.Context, _, hostport string) (net.Conn, error) {
		return c.dialTLS(callerOf(ctx), hostport, how)
	}
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.DisableCompression = true
	t.MaxResponseHeaderBytes = maxHeader
	t.MaxIdleConns = maxIdle
	t.MaxIdleConnsPerHost = maxIdlePerHost
	t.IdleConnTimeout = idleTimeout
	return t
}

// RoundTrip makes one exchange. An evicted transport keeps no connection: one
// that was in use when it was evicted ends with its exchange.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.Transport.RoundTrip(r)
	if t.evicted.Load() {
		t.CloseIdleConnections()
	}
	return response, err
}

// transports keeps those used last, the newest last.
type transports struct {
	make func(How) *transport

	mu   sync.Mutex
	kept []*transport
}

func (ts *transports) get(how How) *transport {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if i := slices.IndexFunc(ts.kept, func(t *transport) bool { return t.how == how }); i >= 0 {
		t := ts.kept[i]
		ts.kept = append(slices.Delete(ts.kept, i, i+1), t)
		return t
	}
	t := ts.make(how)
	ts.kept = append(ts.kept, t)
	if len(ts.kept) > maxTransports {
		oldest := ts.kept[0]
		ts.kept = slices.Delete(ts.kept, 0, 1)
		oldest.evicted.Store(true)
		oldest.CloseIdleConnections()
	}
	return t
}

func (ts *transports) closeIdle() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, t := range ts.kept {
		t.CloseIdleConnections()
	}
}

package fetch_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"mtls-auth/mtlsauth/internal/revocation/address"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// proxy is a forward proxy that answers http requests itself, and leads every
// tunnel to one address. It records what it was sent.
type proxy struct {
	addr string

	mu   sync.Mutex
	sent []string
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	p := &proxy{}
	p.addr = answering(t, func(conn net.Conn) {
		in := bufio.NewReader(conn)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			io.Copy(io.Discard, r.Body)
			p.mu.Lock()
			p.sent = append(p.sent, fmt.Sprintf("%s %s host=%s", r.Method, r.RequestURI, r.Host))
			for name := range r.Header {
				if name == "Proxy-Authorization" || name == "Authorization" || name == "Cookie" || name == "Referer" || name == "X-Forwarded-For" {
					t.Errorf("the proxy got %s", name)
				}
			}
			if r.Header.Get("User-Agent") != "ours" {
				t.Errorf("the proxy got the User-Agent %q", r.Header.Get("User-Agent"))
			}
			p.mu.Unlock()
			if r.Method != http.MethodConnect {
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy")
				continue
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
			go func() { io.Copy(server, conn); server.Close() }()
			io.Copy(conn, server)
			return
		}
	})
	return p
}

func (p *proxy) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	sent := p.sent
	p.sent = nil
	return sent
}

// TestHTTPProxy: absolute-form (RFC 9112, section 3.2.2), and the name is the
// proxy's to resolve.
func TestHTTPProxy(t *testing.T) {
	p := newProxy(t, "")
	c := newClient(t, fetch.Options{UserAgent: "ours"})
	c.UseResolver(dns(t, func(name string) []string { t.Errorf("%s was looked up", name); return nil }))
	how := fetch.How{HTTPProxy: p.addr}
	for _, request := range []fetch.Request{
		{URL: "http://ocsp.invalid/a?b=c#d"},
		{URL: "http://OCSP.invalid:8080", Method: "POST", Body: []byte("question")},
		{URL: "http://localhost/"}, // no address of this machine to the proxy
	} {
		if _, content, err := do(t, c, request, how); err != nil || content != "proxy" {
			t.Errorf("%s: got %q, %v", request.URL, content, err)
		}
	}
	got, want := strings.Join(p.requests(), "\n"), strings.Join([]string{
		"GET http://ocsp.invalid/a?b=c host=ocsp.invalid",
		"POST http://ocsp.invalid:8080/ host=ocsp.invalid:8080",
		"GET http://localhost/ host=localhost",
	}, "\n")
	if got != want {
		t.Errorf("the proxy got\n%s\nwant\n%s", got, want)
	}
}

// TestHTTPSProxy: CONNECT, and TLS with the host within.
func TestHTTPSProxy(t *testing.T) {
	ca := pki.NewCA("web")
	s := serveTLS(t, ca, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s by %s", r.Method, r.RequestURI, r.TLS.ServerName)
	}, pki.DNS("ocsp.invalid"))
	p := newProxy(t, addrPort(t, s).String())
	c := newClient(t, fetch.Options{UserAgent: "ours", Roots: pool(ca)})
	c.UseResolver(dns(t, func(name string) []string { t.Errorf("%s was looked up", name); return nil }))
	how := fetch.How{HTTPSProxy: p.addr, SSLVerify: true}
	for range 2 {
		if _, content, err := do(t, c, fetch.Request{URL: "https://ocsp.invalid/a"}, how); err != nil || content != "GET /a by ocsp.invalid" {
			t.Errorf("got %q, %v", content, err)
		}
	}
	if got := strings.Join(p.requests(), "\n"); got != "CONNECT ocsp.invalid:443 host=ocsp.invalid:443" {
		t.Errorf("the proxy got %s", got)
	}
	// The server in the tunnel is verified as one without.
	_, _, err := do(t, c, fetch.Request{URL: "https://crl.invalid/a"}, how)
	wantKind(t, "another name in the tunnel", err, fetch.Connect)
	if _, _, err = do(t, c, fetch.Request{URL: "https://crl.invalid/a"}, fetch.How{HTTPSProxy: p.addr}); err != nil {
		t.Errorf("without ssl_verify: %v", err)
	}
}

// TestProxyByScheme: each proxy is for its own scheme, and the other scheme is
// judged as without a proxy.
func TestProxyByScheme(t *testing.T) {
	ca := pki.NewCA("web")
	plain, secure := serve(t, unasked(t)), serveTLS(t, ca, unasked(t))
	p := newProxy(t, "127.0.0.1:1")
	c := newClient(t, fetch.Options{DenyPrivate: true})
	c.UseResolver(dns(t, func(string) []string { return []string{"127.0.0.1"} }))
	_, _, err := do(t, c, fetch.Request{URL: named(t, "ocsp.test", plain)}, fetch.How{HTTPSProxy: p.addr})
	wantKind(t, "http, with a proxy for https", err, fetch.Refused)
	_, _, err = do(t, c, fetch.Request{URL: strings.Replace(secure.URL, "127.0.0.1", "ocsp.test", 1)}, fetch.How{HTTPProxy: p.addr})
	wantKind(t, "https, with a proxy for http", err, fetch.Refused)
	// Nor is the proxy itself an address to be asked without judgement.
	_, _, err = do(t, c, fetch.Request{URL: "http://ocsp.test:" + p.addr[strings.LastIndex(p.addr, ":")+1:]}, fetch.How{HTTPSProxy: p.addr})
	wantKind(t, "the other scheme's proxy", err, fetch.Refused)
	if got := p.requests(); len(got) > 0 {
		t.Errorf("the proxy got %q", got)
	}
}

// TestProxyLiterals: an IP address needs no resolving, so it is judged here
// before a proxy connects to it.
func TestProxyLiterals(t *testing.T) {
	p := newProxy(t, "127.0.0.1:1")
	how := fetch.How{HTTPProxy: p.addr, HTTPSProxy: p.addr}
	own := netip.MustParseAddrPort("192.0.2.77:8001")
	options := fetch.Options{UserAgent: "ours", OwnListeners: func() []netip.AddrPort { return []netip.AddrPort{own} }}
	c := newClient(t, options)
	for _, host := range []string{"169.254.169.254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "0.0.0.0", "[64:ff9b::a9fe:a9fe]", "192.0.2.77:8001"} {
		for _, scheme := range []string{"http://", "https://"} {
			_, _, err := do(t, c, fetch.Request{URL: scheme + host}, how)
			wantKind(t, scheme+host, err, fetch.Refused)
		}
	}
	if _, _, err := do(t, c, fetch.Request{URL: "http://10.0.0.1"}, how); err != nil {
		t.Errorf("a private address: %v", err)
	}
	p.requests()
	options.DenyPrivate = true
	_, _, err := do(t, newClient(t, options), fetch.Request{URL: "http://10.0.0.1"}, how)
	wantKind(t, "a private address, denied", err, fetch.Refused)
	if got := p.requests(); len(got) > 0 {
		t.Errorf("the proxy got %q", got)
	}
}

// TestProxyFails: no connection to or through the proxy is no connection.
func TestProxyFails(t *testing.T) {
	gone := serve(t, unasked(t))
	gone.Close()
	closed := addrPort(t, gone).String()
	answers := func(text string) string {
		return answering(t, func(conn net.Conn) { readHeader(conn); io.WriteString(conn, text) })
	}
	for _, test := range []struct {
		name, url string
		proxy     string
		want      fetch.Kind
	}{
		{"no proxy there", "http://ocsp.invalid", closed, fetch.Connect},
		{"no proxy there for a tunnel", "https://ocsp.invalid", closed, fetch.Connect},
		{"hangs up", "https://ocsp.invalid", answers(""), fetch.Connect},
		{"a status of its own", "http://ocsp.invalid", answers("HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n"), fetch.Status},
		{"no port", "http://ocsp.invalid", "127.0.0.1", fetch.BadAddress},
		{"no host", "https://ocsp.invalid", ":3128", fetch.BadAddress},
	} {
		c := newClient(t, fetch.Options{})
		_, _, err := do(t, c, fetch.Request{URL: test.url}, fetch.How{HTTPProxy: test.proxy, HTTPSProxy: test.proxy})
		wantKind(t, test.name, err, test.want)
	}
}

// TestTunnelAnswers: a tunnel is one only after the right answer. Behind each of
// these is a server that would take what follows.
func TestTunnelAnswers(t *testing.T) {
	ca := pki.NewCA("web")
	s := serveTLS(t, ca, func(http.ResponseWriter, *http.Request) {})
	for _, test := range []struct {
		name, answer string
		ok           bool
	}{
		{"established", "HTTP/1.1 200 Connection established\r\n\r\n", true},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nVia: x\r\n\r\n", true},
		{"another success", "HTTP/1.1 202 Accepted\r\n\r\n", false},
		{"bad gateway", "HTTP/1.1 502 Bad Gateway\r\n\r\n", false},
		{"credentials wanted", "HTTP/1.1 407 Who Are You\r\nProxy-Authenticate: Basic\r\n\r\n", false},
		{"redirect", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n", false},
		{"not HTTP", "SSH-2.0-x\r\n\r\n", false},
		{"large header", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", fetch.MaxHeader) + "\r\n\r\n", false},
	} {
		p := answering(t, func(conn net.Conn) {
			readHeader(conn)
			io.WriteString(conn, test.answer)
			server, err := net.Dial("tcp", addrPort(t, s).String())
			if err != nil {
				t.Error(err)
				return
			}
			go func() { io.Copy(server, conn); server.Close() }()
			io.Copy(conn, server)
		})
		err := read(soon(t), newClient(t, fetch.Options{}), "https://ocsp.invalid", fetch.How{HTTPSProxy: p})
		if !test.ok {
			wantKind(t, test.name, err, fetch.Connect)
		} else if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// TestHowProxy: what failures are counted by.
func TestHowProxy(t *testing.T) {
	how := fetch.How{HTTPProxy: "a:1", HTTPSProxy: "b:2"}
	for url, want := range map[string]string{"http://c": "a:1", "https://c": "b:2"} {
		u, err := address.Parse(url)
		if got := how.Proxy(u.Address); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", url, got, err, want)
		}
	}
}

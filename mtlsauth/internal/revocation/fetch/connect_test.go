package fetch_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"mtls-auth/mtlsauth/internal/revocation/fetch"
)

// TestLoopback: responders beside Kong are usual, and allowed.
func TestLoopback(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "127.0.0.2", "::1"} {
		t.Run(host, func(t *testing.T) {
			s := serveAt(t, host, 0, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) })
			content, err := get(t, newClient(t, fetch.Options{}), s.URL)
			if want := strings.TrimPrefix(s.URL, "http://"); err != nil || content != want {
				t.Errorf("got %q, %v, want %q", content, err, want)
			}
		})
	}
}

func TestDenyPrivate(t *testing.T) {
	v4, v6 := serve(t, unasked(t)), serveAt(t, "::1", 0, unasked(t))
	c := newClient(t, fetch.Options{DenyPrivate: true})
	c.UseResolver(dns(t, func(string) []string { return []string{"127.0.0.1", "::1"} }))
	for _, url := range []string{v4.URL, v6.URL, named(t, "localhost", v4), named(t, "ocsp.test", v4), named(t, "ocsp.test", v6)} {
		_, err := get(t, c, url)
		wantKind(t, url, err, fetch.Refused)
	}
}

// TestRefusedLiterals goes as far as Do does with an address in a URL.
func TestRefusedLiterals(t *testing.T) {
	c := newClient(t, fetch.Options{})
	for _, host := range []string{
		"169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "100.100.100.200", "168.63.129.16",
		"[fe80::1]", "[::]", "[ff02::1]", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "[::169.254.169.254]",
		"[2002:a9fe:a9fe::1]", "[64:ff9b::a9fe:a9fe]",
	} {
		for _, scheme := range []string{"http://", "https://"} {
			_, err := get(t, c, scheme+host+"/latest/meta-data/")
			wantKind(t, scheme+host, err, fetch.Refused)
		}
	}
}

// TestRefusedNames: names are judged by what they resolve to.
func TestRefusedNames(t *testing.T) {
	var answer atomic.Pointer[[]string]
	c := newClient(t, fetch.Options{})
	c.UseResolver(dns(t, func(string) []string { return *answer.Load() }))
	for _, addrs := range [][]string{
		{"169.254.169.254"}, {"0.0.0.0"}, {"fe80::1"}, {"::"}, {"fd00:ec2::254"},
		{"::ffff:169.254.169.254"}, {"2002:a9fe:a9fe::1"}, {"64:ff9b::a9fe:a9fe"},
		{"169.254.169.254", "168.63.129.16", "fe80::1"},
	} {
		answer.Store(&addrs)
		for _, scheme := range []string{"http://", "https://"} {
			_, err := get(t, c, scheme+"ocsp.test/")
			wantKind(t, strings.Join(addrs, " "), err, fetch.Refused)
		}
	}
}

// TestRefusedAmongOthers: an address that is refused does not stand in the way
// of one that is not.
func TestRefusedAmongOthers(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "an answer") })
	c := newClient(t, fetch.Options{})
	c.UseResolver(dns(t, func(string) []string { return []string{"169.254.169.254", "127.0.0.1"} }))
	if content, err := get(t, c, named(t, "ocsp.test", s)); err != nil || content != "an answer" {
		t.Errorf("got %q, %v", content, err)
	}
}

func TestNoSuchName(t *testing.T) {
	c := newClient(t, fetch.Options{})
	c.UseResolver(dns(t, func(string) []string { return nil }))
	_, err := get(t, c, "http://ocsp.test/")
	wantKind(t, "no such name", err, fetch.Connect)
}

func TestNobodyListens(t *testing.T) {
	s := serve(t, unasked(t))
	s.Close()
	_, err := get(t, newClient(t, fetch.Options{}), s.URL)
	wantKind(t, "http", err, fetch.Connect)
	_, err = get(t, newClient(t, fetch.Options{}), strings.Replace(s.URL, "http", "https", 1))
	wantKind(t, "https", err, fetch.Connect)
}

func TestOwnListenersRefused(t *testing.T) {
	kong := serve(t, unasked(t))
	port := addrPort(t, kong).Port()
	v6 := serveAt(t, "::1", port, unasked(t))
	responder := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+r.URL.Query().Get("to"), http.StatusFound)
	})
	var listener netip.AddrPort
	c := newClient(t, fetch.Options{OwnListeners: func() []netip.AddrPort { return []netip.AddrPort{listener} }})
	c.UseResolver(dns(t, func(string) []string { return []string{"127.0.0.1", "::1"} }))

	hosts := []string{strings.TrimPrefix(kong.URL, "http://"), strings.TrimPrefix(named(t, "localhost", kong), "http://"), strings.TrimPrefix(named(t, "kong.test", kong), "http://"), strings.TrimPrefix(v6.URL, "http://")}
	if host, ok := ownAddress(t); ok {
		hosts = append(hosts, netip.AddrPortFrom(host, port).String())
	}
	for _, listener = range []netip.AddrPort{netip.AddrPortFrom(netip.IPv4Unspecified(), port), netip.AddrPortFrom(netip.IPv6Unspecified(), port)} {
		for _, host := range hosts {
			_, err := get(t, c, "http://"+host)
			wantKind(t, host, err, fetch.Refused)
			_, err = get(t, c, responder.URL+"/?to="+host)
			wantKind(t, "redirect to "+host, err, fetch.Redirect)
		}
	}
}

// ownAddress is one of this machine that is not loopback. Nothing is sent to it.
func ownAddress(t *testing.T) (netip.Addr, bool) {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && !prefix.Addr().IsLoopback() && !prefix.Addr().IsLinkLocalUnicast() {
			return prefix.Addr(), true
		}
	}
	t.Log("this machine has loopback addresses alone")
	return netip.Addr{}, false
}

// TestListenersReadAnew: Kong may begin to listen at any time.
func TestListenersReadAnew(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") })
	var listens atomic.Bool
	c := newClient(t, fetch.Options{OwnListeners: func() []netip.AddrPort {
		if listens.Load() {
			return []netip.AddrPort{addrPort(t, s)}
		}
		return nil
	}})
	if _, err := get(t, c, s.URL); err != nil {
		t.Fatal(err)
	}
	listens.Store(true)
	_, err := get(t, c, s.URL)
	wantKind(t, "now Kong's", err, fetch.Refused)
}

// rebinding is a client to whom a name leads to one server at first and then to
// Kong's own listener at the same port.
func rebinding(t *testing.T, h http.HandlerFunc) (*fetch.Client, string, *atomic.Int32) {
	t.Helper()
	s := serveAt(t, "127.0.0.1", 0, h)
	kong := serveAt(t, "127.0.0.2", addrPort(t, s).Port(), unasked(t))
	c := newClient(t, fetch.Options{OwnListeners: func() []netip.AddrPort { return []netip.AddrPort{addrPort(t, kong)} }})
	var lookups atomic.Int32
	c.UseResolver(dns(t, func(string) []string {
		// A and AAAA are asked for at once.
		if lookups.Add(1) <= 2 {
			return []string{"127.0.0.1"}
		}
		return []string{"127.0.0.2"}
	}))
	return c, named(t, "ocsp.test.", s), &lookups
}

func TestRebinding(t *testing.T) {
	c, url, lookups := rebinding(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") })
	if _, err := get(t, c, url); err != nil {
		t.Fatal(err)
	}
	_, err := get(t, c, url)
	wantKind(t, "the second connection", err, fetch.Refused)
	if n := lookups.Load(); n != 4 {
		t.Errorf("got %d lookups, want 4", n)
	}
}

// TestRebindingRetry: net/http connects again by itself when a kept connection
// is lost.
func TestRebindingRetry(t *testing.T) {
	var asked atomic.Int32
	c, url, lookups := rebinding(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) > 1 {
			panic(http.ErrAbortHandler)
		}
	})
	if _, err := get(t, c, url); err != nil {
		t.Fatal(err)
	}
	_, err := get(t, c, url)
	wantKind(t, "the retry", err, fetch.Refused)
	if asked.Load() != 2 || lookups.Load() != 4 {
		t.Errorf("got %d requests and %d lookups, want 2 and 4", asked.Load(), lookups.Load())
	}
}

// TestRebindingRedirect: a redirect to the same name is resolved and judged.
func TestRebindingRedirect(t *testing.T) {
	c, url, _ := rebinding(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		http.Redirect(w, r, "/again", http.StatusFound)
	})
	_, err := get(t, c, url)
	wantKind(t, "the redirect", err, fetch.Redirect)
}

// TestRetry: a connection that was kept and is lost under a request is no
// failure of the host; neither a GET nor an OCSP POST is lost with it.
func TestRetry(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		var connections atomic.Int32
		addr := answering(t, func(conn net.Conn) {
			first := connections.Add(1) == 1
			in := bufio.NewReader(conn)
			for {
				r, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				content, _ := io.ReadAll(r.Body)
				if string(content) != "question" && method == "POST" || len(content) > 0 && method == "GET" || r.Header.Get("Idempotency-Key") != "" {
					t.Errorf("got %s with %q, %v", r.Method, content, r.Header)
				}
				if first && connections.Load() == 1 && r.URL.Path == "/second" {
					return
				}
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		})
		c := newClient(t, fetch.Options{})
		for _, path := range []string{"/first", "/second"} {
			_, content, err := do(t, c, fetch.Request{Method: method, URL: "http://" + addr + path, Body: []byte("question")}, fetch.How{})
			if err != nil || content != "ok" {
				t.Errorf("%s %s: got %q, %v", method, path, content, err)
			}
		}
		if n := connections.Load(); n != 2 {
			t.Errorf("%s: got %d connections, want 2", method, n)
		}
	}
}

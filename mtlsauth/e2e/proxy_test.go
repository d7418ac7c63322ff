package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// proxy is a program that ends TLS in front of Kong, set up as docs/header-cert-auth.md says.
type proxy struct {
	name    string
	program string
	file    string                            // the file with its settings
	wrap    func(dir, settings string) string // what its settings need around them
	command func(dir, file string) []string   // arguments, in the foreground
	sent    []string                          // headers that it sets, spelled as it does
	plugin  object                            // the plugin's own configuration
}

var proxies = []proxy{
	{
		name: "nginx", program: "nginx", file: "nginx.conf",
		wrap: func(dir, settings string) string {
			var b strings.Builder
			fmt.Fprintf(&b, "daemon off;\nworker_processes 1;\npid %[1]s/nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n", dir)
			for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
				fmt.Fprintf(&b, "%s_temp_path %s/%[1]s;\n", kind, dir)
			}
			return b.String() + settings + "\n}\n"
		},
		command: func(dir, file string) []string { return []string{"-p", dir, "-e", "stderr", "-c", file} },
		sent:    []string{"ssl-client-cert"},
		plugin:  object{"certificate_header_name": "ssl-client-cert", "certificate_header_format": "url_encoded"},
	},
	{
		name: "HAProxy", program: "haproxy", file: "haproxy.cfg",
		wrap: func(_, settings string) string {
			return "defaults\n  timeout connect 30s\n  timeout client 60s\n  timeout server 60s\n" + settings
		},
		command: func(_, file string) []string { return []string{"-db", "-f", file} },
		sent:    []string{"X-SSL-Client-Cert", "X-SSL-Client-Chain"},
		plugin: object{"certificate_header_name": "X-SSL-Client-Cert", "certificate_header_format": "base64_encoded",
			"certificate_chain_header_name": "X-SSL-Client-Chain"},
	},
	{
		name: "Apache httpd", program: "apache2", file: "httpd.conf",
		wrap: func(dir, settings string) string {
			var b strings.Builder
			fmt.Fprintf(&b, "ServerRoot %[1]s\nPidFile %[1]s/httpd.pid\nDefaultRuntimeDir %[1]s\nErrorLog %[1]s/error.log\nServerName localhost\nMutex file:%[1]s\nSSLSessionCache none\nProtocols h2 http/1.1\n", dir)
			modules := "LoadModule %s_module /usr/lib/apache2/modules/mod_%[1]s.so\n"
			var load strings.Builder
			for _, module := range []string{"mpm_event", "authz_core", "ssl", "http2", "headers", "proxy", "proxy_http"} {
				fmt.Fprintf(&load, modules, module)
			}
			return load.String() + b.String() + settings
		},
		command: func(_, file string) []string { return []string{"-D", "FOREGROUND", "-f", file} },
		sent:    []string{"SSL_CLIENT_CERT"},
		plugin:  object{"certificate_header_name": "SSL_CLIENT_CERT", "certificate_header_format": "pem"},
	},
	{
		name: "Caddy", program: "caddy", file: "Caddyfile",
		wrap:    func(_, settings string) string { return "{\n\tadmin off\n\tauto_https off\n}\n" + settings },
		command: func(_, file string) []string { return []string{"run", "--adapter", "caddyfile", "--config", file} },
		sent:    []string{"Client-Cert"},
		plugin:  object{"certificate_header_name": "Client-Cert", "certificate_header_format": "rfc9440"},
	},
}

// A client sends the certificate of another in headers of its own, in every spelling and
// place. Behind a proxy that is set up as documented it is answered by the certificate of
// its TLS connection, or refused.
func TestBehindProxies(t *testing.T) {
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && p.name != "nginx" {
				t.Skip("with -short nginx alone")
			}
			path, err := exec.LookPath(p.program)
			if err != nil {
				t.Skipf("%s IS NOT INSTALLED HERE: its recipe was not run", p.program)
			}
			behind(t, p, path)
		})
	}
}

func behind(t *testing.T, p proxy, path string) {
	root := pki.NewCA("root")
	alice, mallory := root.Client("alice", pki.RSA(2048)), root.Client("mallory", pki.RSA(2048))
	config := trusted([]string{idA}, p.plugin)
	hidden := trusted([]string{idA}, p.plugin, object{"hide_certificate_header": true})
	r := newHeaderRig(t, cas{idA: root}, routes{"/shown": config, "/hidden": hidden})
	c := proxyClient{t: t, address: p.start(t, path, root, r.URL())}

	for _, test := range []struct {
		name string
		cert *pki.Certificate
		want string
	}{{"alice", alice, "CN=alice"}, {"mallory", mallory, "CN=mallory"}} {
		for _, path := range []string{"/shown", "/hidden"} {
			got := c.ask(path, test.cert)
			if got.status != 200 || got.seen.Get("X-Client-Cert-Dn") != test.want {
				t.Fatalf("%s at %s: got %d %q as %q, want 200 as %s", test.name, path, got.status, got.message, got.seen.Get("X-Client-Cert-Dn"), test.want)
			}
			for _, name := range p.sent {
				if sent := got.seen.Get(name) != "" || got.seen[name] != nil; sent == (path == "/hidden") && strings.HasSuffix(name, "ert") {
					t.Errorf("%s: the upstream sees %s: %v", path, name, sent)
				}
			}
		}
	}
	if got := c.ask("/shown", nil); got.status != 401 || got.message != noneSent {
		t.Errorf("no certificate: got %d %q", got.status, got.message)
	}

	// What the proxy itself sends for alice, and alice's certificate in every other form.
	values := slices.Clone(c.ask("/shown", alice).seen[http.CanonicalHeaderKey(p.sent[0])])
	if len(values) == 0 {
		t.Fatal("the upstream does not see the proxy's header")
	}
	values = append(values, base64DER(alice), ":"+base64DER(alice)+":", escapedPEM(alice), spacedPEM(alice))
	forgeries := 0
	forged := func(what string, cert *pki.Certificate, lines ...string) {
		t.Helper()
		forgeries++
		for _, got := range []answer{c.ask("/shown", cert, lines...), c.askHTTP2("/shown", cert, lines...)} {
			switch dn := got.seen.Get("X-Client-Cert-Dn"); {
			case cert == nil && got.status != 401 && got.status != 400, got.status == 200 && dn != "CN=mallory", got.status >= 500:
				t.Errorf("%s over %s: got %d as %q", what, got.proto, got.status, dn)
			}
		}
	}
	for _, cert := range []*pki.Certificate{nil, mallory} {
		for _, name := range p.sent {
			for i, value := range values {
				for _, spelling := range spellingsOf(name) {
					line := spelling + ": " + value
					forged("forged "+spelling, cert, line)
					if i == 0 {
						forged("twice "+spelling, cert, line, line)
						forged("hop-by-hop "+spelling, cert, line, "Connection: "+spelling)
						forged("hop-by-hop, other spelling "+spelling, cert, line, "Connection: "+name)
					}
				}
			}
		}
		all := []string{"X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1"}
		for _, name := range p.sent {
			for _, spelling := range spellingsOf(name) {
				all = append(all, spelling+": "+values[0])
			}
		}
		forged("every spelling at once", cert, all...)
		for _, name := range []string{"Client-Cert", "X-Client-Cert", "X-Client-Cert-Dn", "X-Client_Cert_Dn", "X-Consumer-Username"} {
			if !slices.Contains(p.sent, name) {
				forged("another header", cert, name+": CN=alice")
			}
		}
	}
	t.Logf("%d forgeries, each over HTTP/1.1 and HTTP/2", forgeries)
}

// spellingsOf are a header's with - and _ in each place, as it is, in lower case and in capitals.
func spellingsOf(name string) []string {
	all := []string{strings.ToUpper(name)}
	for _, form := range spellings(strings.ReplaceAll(name, "_", "-")) {
		all = append(all, form, strings.ToLower(form))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// recipe returns the settings that docs/header-cert-auth.md has for a proxy.
func recipe(t *testing.T, name string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/header-cert-auth.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?ms)^### " + name + "$.*?^```\\w*\n(.*?)^```$").FindSubmatch(page)
	if m == nil {
		t.Fatalf("docs/header-cert-auth.md has no recipe for %s", name)
	}
	return string(m[1])
}

// start runs the proxy with the documented settings and returns its address.
func (p proxy) start(t *testing.T, path string, root *pki.Certificate, kong string) string {
	t.Helper()
	settings := recipe(t, p.name)
	for range 3 { // a port may be taken before the proxy listens
		dir := t.TempDir()
		server := root.Client("localhost", pki.DNS("localhost"), pki.RSA(2048), pki.ExtKeyUsage())
		for name, text := range map[string]string{
			"server.pem": server.PEM(), "server.key": server.KeyPEM(), "ca.pem": root.PEM(), "server-and-key.pem": server.PEM() + server.KeyPEM(),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		address := freeAddress(t)
		_, port, _ := net.SplitHostPort(address)
		text := strings.NewReplacer(
			"/etc/proxy/", dir+"/",
			"kong:8000", strings.TrimPrefix(kong, "http://"),
			"listen 443", "listen "+address,
			"bind :443", "bind "+address,
			"Listen 443", "Listen "+address, "*:443", address,
			"https://api.example.com", "https://localhost:"+port,
		).Replace(settings)
		if text == settings || !strings.Contains(text, port) {
			t.Fatalf("the recipe has no port that could be replaced:\n%s", settings)
		}
		file := filepath.Join(dir, p.file)
		if err := os.WriteFile(file, []byte(p.wrap(dir, text)), 0o644); err != nil {
			t.Fatal(err)
		}
		if p.run(t, path, dir, file, address) {
			return address
		}
	}
	t.Fatalf("%s does not listen", p.name)
	return ""
}

// run runs the proxy until the test ends, and tells whether it listens.
func (p proxy) run(t *testing.T, path, dir, file, address string) bool {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(path, p.command(dir, file)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		select {
		case <-ended:
			t.Logf("%s ended: %s", p.name, out.Bytes())
			return false
		case <-time.After(20 * time.Millisecond):
		}
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return true
		}
	}
	return false
}

// proxyClient sends requests to a proxy.
type proxyClient struct {
	t       *testing.T
	address string
}

func (c proxyClient) tls(cert *pki.Certificate, protocol string) *tls.Config {
	config := &tls.Config{ServerName: "localhost", InsecureSkipVerify: true, NextProtos: []string{protocol}}
	if cert != nil {
		config.Certificates = []tls.Certificate{cert.TLS()}
	}
	return config
}

// ask makes a request over HTTP/1.1 with these header lines, as they are.
func (c proxyClient) ask(path string, cert *pki.Certificate, lines ...string) answer {
	c.t.Helper()
	dialer := tls.Dialer{Config: c.tls(cert, "http/1.1")}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", c.address)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		c.t.Fatal(err)
	}
	text := "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n"
	for _, line := range lines {
		text += line + "\r\n"
	}
	_, unsent := io.WriteString(conn, text+"\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err = errors.Join(unsent, err); closed(err) {
		return answer{status: http.StatusBadRequest, proto: "HTTP/1.1"}
	} else if err != nil {
		c.t.Fatal(err)
	}
	return c.answer(resp)
}

// closed tells whether a proxy closed the connection rather than take the request, as
// HAProxy does where headers are over its buffer.
func closed(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || err != nil && strings.Contains(err.Error(), "GOAWAY")
}

// askHTTP2 makes a request over HTTP/2. It has no Connection.
func (c proxyClient) askHTTP2(path string, cert *pki.Certificate, lines ...string) answer {
	c.t.Helper()
	transport := &http.Transport{TLSClientConfig: c.tls(cert, "h2"), ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+c.address+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		if name != "Connection" {
			req.Header[name] = append(req.Header[name], value)
		}
	}
	req.Host = "localhost" // as in the TLS handshake
	resp, err := transport.RoundTrip(req)
	if closed(err) {
		return answer{status: 400, proto: "HTTP/2.0"}
	}
	if err != nil {
		c.t.Fatal(err)
	}
	if resp.Proto != "HTTP/2.0" {
		c.t.Errorf("the proxy speaks %s, not HTTP/2", resp.Proto)
	}
	return c.answer(resp)
}

func (c proxyClient) answer(resp *http.Response) answer {
	c.t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, proto: resp.Proto, body: string(body), message: string(body), header: resp.Header}
	var echo struct {
		Message string
		Headers http.Header
	}
	if json.Unmarshal(body, &echo) == nil {
		a.message, a.seen = echo.Message, echo.Headers
	}
	return a
}

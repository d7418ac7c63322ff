package kongdata_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// serveTLS serves at loopback with a certificate and, with clients, asks for
// one of theirs; it returns the URL.
func serveTLS(t *testing.T, h http.Handler, cert, clients *pki.Certificate) string {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert.TLS()}}
	if clients != nil {
		server.TLS.ClientAuth = tls.RequireAndVerifyClientCert
		server.TLS.ClientCAs = x509.NewCertPool()
		server.TLS.ClientCAs.AddCert(clients.Certificate)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// Plain http goes to loopback alone, unless it is allowed.
func TestUsableAdminURL(t *testing.T) {
	for _, row := range []struct {
		name, urls, want, allowed string
	}{
		{name: "loopback", urls: "http://127.0.0.1:8001 https://127.0.0.1:8444", want: "http://127.0.0.1:8001", allowed: "http://127.0.0.1:8001"},
		{name: "elsewhere, TLS too", urls: "http://10.1.2.3:8001 https://10.1.2.3:8444", want: "https://10.1.2.3:8444", allowed: "http://10.1.2.3:8001"},
		{name: "elsewhere", urls: "http://10.1.2.3:8001", allowed: "http://10.1.2.3:8001"},
		{name: "a name", urls: "http://kong.example:8001", allowed: "http://kong.example:8001"},
		{name: "a socket", urls: "unix:/run/kong.sock", want: "unix:/run/kong.sock", allowed: "unix:/run/kong.sock"},
		{name: "port too large", urls: "http://127.0.0.1:99999"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := kongdata.AdminAddress(strings.Fields(row.urls), false); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
			if got := kongdata.AdminAddress(strings.Fields(row.urls), true); got != row.allowed {
				t.Errorf("with -admin-allow-http: got %q, want %q", got, row.allowed)
			}
		})
	}
}

func envOf(lines ...string) string { return strings.Join(lines, "\n") + "\n" }

func listenOf(url string) string {
	return strings.TrimPrefix(strings.TrimPrefix(url, "http://"), "https://")
}

func TestKongEnv(t *testing.T) {
	admin := newAdmin()
	admin.set(uuid(1), pemOf("api"))
	server := httptest.NewServer(admin)
	defer server.Close()
	listen := "admin_listen = " + listenOf(server.URL) + " reuseport backlog=16384"
	text := jsonOf(t, uuid(1), pemOf("string"))
	dir := t.TempDir()
	file := filepath.Join(dir, "kong \\#1.yml")
	write(t, filepath.Join(dir, "kong #1.yml"), yamlOf(uuid(1), pemOf("file")))
	tests := []struct {
		name, env, want, log string
	}{
		{"the Admin API", envOf(listen), "api/", "Admin API http://127.0.0.1"},
		{"DB-less with an Admin API", envOf("database = off", listen, "declarative_config = "+file), "api/", ""},
		{"no Admin API, a file", envOf("admin_listen = off", "declarative_config = "+file), "file/", ""},
		{"no Admin API, a text", envOf("admin_listen = off", "declarative_config_string = "+text), "string/", ""},
		{"an Admin API that may not be asked", envOf("admin_listen = 192.0.2.1:8001", "declarative_config = "+file), "/1", "-admin-url"},
		{"nothing", envOf("admin_listen = off"), "other/", "no source of CA certificates"},
		{"no .kong_env", "", "other/", "no source of CA certificates"},
		{"broken", "pg_password = top-secret\n", "/1", "no admin_listen"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			prefix := t.TempDir()
			if test.env != "" {
				write(t, filepath.Join(prefix, ".kong_env"), test.env)
			}
			lower := newFake("lower")
			lower.set(uuid(1), pemOf("other"))
			s, log := openAdmin(t, kongdata.Config{Prefix: prefix}, lower.source())
			if !strings.Contains(log.String(), test.log) {
				t.Errorf("at the start the log lacks %q:\n%s", test.log, log)
			}
			wantNames(t, "", s.Want([]string{uuid(1)}).Wait(t.Context()), test.want)
			if strings.Contains(log.String(), "secret") || strings.Contains(log.String(), "_format_version") {
				t.Errorf("the log quotes .kong_env:\n%s", log)
			}
		})
	}
}

func TestKongEnvChanges(t *testing.T) {
	servers := make([]*adminServer, 2)
	listen := make([]string, 2)
	for i, name := range []string{"one", "two"} {
		servers[i] = newAdmin()
		servers[i].set(uuid(1), pemOf(name))
		server := httptest.NewServer(servers[i])
		defer server.Close()
		listen[i] = "admin_listen = " + listenOf(server.URL)
	}
	prefix := t.TempDir()
	path := filepath.Join(prefix, ".kong_env")
	s, _ := openAdmin(t, kongdata.Config{Prefix: prefix})
	set := s.Want([]string{uuid(1)})
	wantNames(t, "before Kong's start", set.Wait(t.Context()), "/1")
	write(t, path, envOf(listen[0]))
	eventually(t, set, "one/")
	write(t, path, envOf(listen[1]))
	eventually(t, set, "two/")
	write(t, path, "") // while Kong writes it
	time.Sleep(200 * time.Millisecond)
	wantNames(t, "being written", set.Snapshot(), "two/")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	servers[1].set(uuid(1), pemOf("three"))
	eventually(t, set, "three/") // what it led to is still followed
	write(t, path, envOf("admin_listen = off"))
	eventually(t, set, "/1")
}

func TestKongEnvTLS(t *testing.T) {
	own := pki.NewSelfSigned("localhost", pki.ExtKeyUsage(1))
	root := pki.NewCA("root")
	signed := root.Client("x", pki.IP("127.0.0.1"), pki.ExtKeyUsage(1))
	admin := newAdmin()
	admin.set(uuid(1), pemOf("one"))
	ownURL, signedURL := serveTLS(t, admin, own, nil), serveTLS(t, admin, signed, nil)
	elseURL := serveTLS(t, admin, root.Client("x", pki.DNS("elsewhere"), pki.ExtKeyUsage(1)), nil)
	tests := []struct {
		name  string
		url   string
		files map[string]string
		env   string
		ca    string
		want  string
		log   string
	}{
		{"the one of admin_ssl_cert", ownURL, map[string]string{"a.crt": own.PEM()}, "admin_ssl_cert = /other.crt,a.crt", "", "one/", ""},
		{"with its chain", ownURL, map[string]string{"a.crt": own.PEM() + pemOf("x")}, "admin_ssl_cert = a.crt", "", "one/", ""},
		{"Kong's default", ownURL, map[string]string{"ssl/admin-kong-default.crt": own.PEM()}, "", "", "one/", ""},
		{"Kong's default, ECDSA", ownURL, map[string]string{"ssl/admin-kong-default.crt": pemOf("x"), "ssl/admin-kong-default-ecdsa.crt": own.PEM()}, "", "", "one/", ""},
		{"another", ownURL, map[string]string{"a.crt": pki.NewSelfSigned("localhost").PEM()}, "admin_ssl_cert = a.crt", "", "/1", "neither the one of admin_ssl_cert nor trusted"},
		{"second in the file", ownURL, map[string]string{"a.crt": pemOf("x") + own.PEM()}, "admin_ssl_cert = a.crt", "", "/1", "neither"},
		{"its CA is not a pin", signedURL, map[string]string{"a.crt": root.PEM()}, "admin_ssl_cert = a.crt", "", "/1", "neither"},
		{"default not used beside admin_ssl_cert", ownURL, map[string]string{"a.crt": pemOf("x"), "ssl/admin-kong-default.crt": own.PEM()}, "admin_ssl_cert = a.crt", "", "/1", "neither"},
		{"no file", ownURL, nil, "", "", "/1", "cannot be read"},
		{"rubbish", ownURL, map[string]string{"a.crt": "rubbish"}, "admin_ssl_cert = a.crt", "", "/1", "no PEM certificate"},
		{"usual verification", signedURL, nil, "", root.PEM(), "one/", ""},
		{"usual verification, another name", elseURL, nil, "", root.PEM(), "/1", "doesn't contain any IP SANs"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			prefix := t.TempDir()
			for name, text := range test.files {
				write(t, filepath.Join(prefix, name), text)
			}
			write(t, filepath.Join(prefix, ".kong_env"), envOf("admin_listen = "+listenOf(test.url)+" ssl", test.env))
			c := kongdata.Config{Prefix: prefix}
			if test.ca != "" {
				c.AdminCAFile = filepath.Join(prefix, "root.pem")
				write(t, c.AdminCAFile, test.ca)
			}
			s, log := openAdmin(t, c)
			set := s.Want([]string{uuid(1)})
			wantNames(t, "", set.Wait(t.Context()), test.want)
			log.await(test.log)
			if !strings.Contains(log.String(), test.log) {
				t.Errorf("log lacks %q:\n%s", test.log, log)
			}
			if test.name == "rubbish" {
				write(t, filepath.Join(prefix, "a.crt"), own.PEM())
				eventually(t, set, "one/")
			}
		})
	}
	t.Run("not for -admin-url", func(t *testing.T) {
		prefix := t.TempDir()
		write(t, filepath.Join(prefix, "ssl/admin-kong-default.crt"), own.PEM())
		write(t, filepath.Join(prefix, ".kong_env"), envOf("admin_listen = "+listenOf(ownURL)+" ssl"))
		s, _ := openAdmin(t, kongdata.Config{Prefix: prefix, AdminURL: ownURL})
		wantNames(t, "", s.Want([]string{uuid(1)}).Wait(t.Context()), "/1")
	})
}

func TestUnreadableKongEnv(t *testing.T) {
	prefix := t.TempDir()
	path := filepath.Join(prefix, ".kong_env")
	write(t, path, "pg_password = top-secret\n")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	got := kongdata.ExplainKongEnv(prefix, &os.PathError{Op: "open", Path: path, Err: os.ErrPermission}).Error()
	for _, part := range []string{path, "mode 0640", "owner ", "-admin-url", os.ErrPermission.Error()} {
		if !strings.Contains(got, part) {
			t.Errorf("%q lacks %q", got, part)
		}
	}

	// A folder cannot be read as a file, not by root either.
	prefix = t.TempDir()
	if err := os.Mkdir(filepath.Join(prefix, ".kong_env"), 0o700); err != nil {
		t.Fatal(err)
	}
	log, logger := newLog()
	if _, err := kongdata.Open(kongdata.Config{Prefix: prefix}, logger); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "mode 0700") {
		t.Errorf("log:\n%s", log)
	}
}

func TestOpen(t *testing.T) {
	tests := []struct {
		name string
		c    kongdata.Config
		want []string // in the error
	}{
		{"https", kongdata.Config{AdminURL: "https://kong.example:8444/x"}, nil},
		{"loopback", kongdata.Config{AdminURL: "http://127.0.0.2:8001"}, nil},
		{"IPv6 loopback", kongdata.Config{AdminURL: "http://[::1]:8001"}, nil},
		{"localhost", kongdata.Config{AdminURL: "http://LOCALHOST:8001"}, nil},
		{"allowed http", kongdata.Config{AdminURL: "http://kong.example:8001", AdminAllowHTTP: true}, nil},
		{"http elsewhere", kongdata.Config{AdminURL: "http://kong.example:8001"}, []string{"-admin-url", "http://kong.example:8001", "-admin-allow-http"}},
		{"http to what begins like loopback", kongdata.Config{AdminURL: "http://127.0.0.1.example:8001"}, []string{"-admin-allow-http"}},
		{"http to any address", kongdata.Config{AdminURL: "http://0.0.0.0:8001"}, []string{"-admin-allow-http"}},
		{"no scheme", kongdata.Config{AdminURL: "127.0.0.1:8001"}, []string{`-admin-url "127.0.0.1:8001": no scheme; must be https`, "unix:PATH", "http:// to"}},
		{"no scheme, a name", kongdata.Config{AdminURL: "localhost:8001"}, []string{`"localhost:8001": no scheme`}},
		{"no scheme, a password", kongdata.Config{AdminURL: "u:top-secret@localhost:8001"}, []string{"-admin-url (not shown", "no scheme"}},
		{"a token as user name", kongdata.Config{AdminURL: "https://top-secret@x"}, []string{"-admin-url (not shown", "-admin-token-file"}},
		{"a token in the query", kongdata.Config{AdminURL: "https://x/?token=top-secret"}, []string{`"https://x/?…"`, "query"}},
		{"no port number", kongdata.Config{AdminURL: "https://x:y"}, []string{`"https://x:y": it is not a URL`}},
		{"an at sign in the path", kongdata.Config{AdminURL: "https://x/@y"}, nil},
		{"another scheme", kongdata.Config{AdminURL: "ftp://127.0.0.1"}, []string{"ftp://127.0.0.1", "must be"}},
		{"no host", kongdata.Config{AdminURL: "https://"}, []string{"must be"}},
		{"no port after a colon", kongdata.Config{AdminURL: "https://x:"}, []string{"port"}},
		{"port 0", kongdata.Config{AdminURL: "https://x:0"}, []string{"port"}},
		{"port too large", kongdata.Config{AdminURL: "https://x:65536"}, []string{"port"}},
		{"query", kongdata.Config{AdminURL: "https://x/?y"}, []string{"must be"}},
		{"a password", kongdata.Config{AdminURL: "https://u:top-secret@x"}, []string{"-admin-token-file"}},
		{"a password in what is not a URL", kongdata.Config{AdminURL: "https://u:top-secret@x:y"}, []string{"not a URL"}},
		{"a relative socket", kongdata.Config{AdminURL: "unix:admin.sock"}, []string{"unix:admin.sock", "must begin with /"}},
		{"a certificate without key", kongdata.Config{AdminCertFile: "/c"}, []string{"-admin-cert-file", "/c", "-admin-key-file"}},
		{"a key without certificate", kongdata.Config{AdminKeyFile: "/k"}, []string{"-admin-key-file", "/k", "-admin-cert-file"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, logger := newLog()
			sources, err := kongdata.Open(test.c, logger)
			if test.want == nil {
				if err != nil || len(sources) != 1 {
					t.Fatalf("got %v, %v", sources, err)
				}
				return
			}
			if err == nil || sources != nil {
				t.Fatalf("got %v, %v, want an error", sources, err)
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q lacks %q", err, part)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%q holds a password", err)
			}
		})
	}

	log, logger := newLog()
	sources, err := kongdata.Open(kongdata.Config{}, logger)
	if err != nil || len(sources) != 0 || !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("no source: got %v, %v, log %s", sources, err, log)
	}
	sources, err = kongdata.Open(kongdata.Config{CADir: "/a", DeclarativeConfig: "/b", AdminURL: "unix:/c", Prefix: "/d"}, logger)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, source := range sources {
		order = append(order, source.Name)
	}
	if got, want := strings.Join(order, "; "), "-ca-dir /a; -declarative-config /b; Admin API unix:/c"; got != want {
		t.Errorf("order: got %q, want %q", got, want)
	}
}

// A name that is said to be loopback but leads elsewhere gets no plain http.
func TestLoopbackOnly(t *testing.T) {
	for address, ok := range map[string]bool{"127.0.0.1:80": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true, "192.0.2.1:80": false, "[::]:80": false, "x": false} {
		if err := kongdata.LoopbackOnly(t.Context(), "tcp", address, nil); (err == nil) != ok {
			t.Errorf("%s: got %v", address, err)
		}
	}
	client, err := kongdata.LoopbackClient()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get("http://192.0.2.1/"); err == nil || !strings.Contains(err.Error(), "not a loopback address") {
		t.Errorf("got %v", err)
	}
}

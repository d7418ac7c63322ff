package kongenv_test

import (
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/kongenv"
)

func TestAdminURLs(t *testing.T) {
	for _, row := range []struct {
		listen string
		urls   []string
		off    bool
	}{
		{listen: "127.0.0.1:8001 reuseport backlog=16384, 127.0.0.1:8444 http2 ssl reuseport backlog=16384", urls: []string{"http://127.0.0.1:8001", "https://127.0.0.1:8444"}},
		{listen: "127.0.0.1:8001 reuseport backlog=16384,127.0.0.1:8444 http2 ssl", urls: []string{"http://127.0.0.1:8001", "https://127.0.0.1:8444"}},
		{listen: "127.0.0.1:8444 http2 ssl, 127.0.0.1:8001", urls: []string{"https://127.0.0.1:8444", "http://127.0.0.1:8001"}},
		{listen: "0.0.0.0:8001", urls: []string{"http://127.0.0.1:8001"}},
		{listen: "*:8001", urls: []string{"http://127.0.0.1:8001"}},
		{listen: "[::]:8001", urls: []string{"http://[::1]:8001"}},
		{listen: "[::1]:8001", urls: []string{"http://[::1]:8001"}},
		{listen: "0.0.0.0:8444 ssl", urls: []string{"https://127.0.0.1:8444"}},
		{listen: "localhost:8001", urls: []string{"http://localhost:8001"}},
		{listen: "10.1.2.3:8001, 10.1.2.3:8444 ssl", urls: []string{"http://10.1.2.3:8001", "https://10.1.2.3:8444"}},
		{listen: "kong.example:8001", urls: []string{"http://kong.example:8001"}},
		{listen: "unix:/run/kong.sock", urls: []string{"unix:/run/kong.sock"}},
		{listen: "unix:/run/kong.sock ssl, 127.0.0.1:8001", urls: []string{"http://127.0.0.1:8001"}},
		{listen: "127.0.0.1:8001 proxy_protocol, 127.0.0.1:8002", urls: []string{"http://127.0.0.1:8002"}},
		{listen: "off", off: true},
		{listen: "off, 127.0.0.1:8001", off: true},
		{listen: "127.0.0.1:8001\nrole = data_plane", off: true},
		{listen: "127.0.0.1:8001\nrole = control_plane", urls: []string{"http://127.0.0.1:8001"}},
		{listen: "nonsense"},
		{listen: "127.0.0.1:"},
	} {
		t.Run(row.listen, func(t *testing.T) {
			s, err := kongenv.Parse([]byte("# comment\n\nprefix = /kong\nadmin_listen = " + row.listen + "\npg_password = x\n"))
			if err != nil {
				t.Fatal(err)
			}
			if got := s.AdminURLs(); !slices.Equal(got, row.urls) {
				t.Errorf("got %q, want %q", got, row.urls)
			}
			if s.HasAdminAPI() == row.off {
				t.Errorf("HasAdminAPI: got %v", !row.off)
			}
		})
	}
}

func TestParseValues(t *testing.T) {
	env, err := kongenv.Parse([]byte(strings.Join([]string{
		"# ****", "admin_listen = off", "pg_password = a\\#b", "declarative_config = /etc/kong \\#1/kong.yml",
		"declarative_config_string = _format_version: \"3.0\"", "\\# a comment", "ca_certificates:", "- id: x = y",
		"admin_ssl_cert = /a.crt,ssl/b.crt", "log_level = notice", "not a setting", "",
	}, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := env.DeclarativeConfig, "/etc/kong #1/kong.yml"; got != want {
		t.Errorf("declarative_config: got %q, want %q", got, want)
	}
	if got, want := env.DeclarativeString, "_format_version: \"3.0\"\n# a comment\nca_certificates:\n- id: x = y"; got != want {
		t.Errorf("declarative_config_string: got %q, want %q", got, want)
	}
	if got, want := strings.Join(env.AdminCertificates("/kong"), " "), "/a.crt /kong/ssl/b.crt"; got != want {
		t.Errorf("admin_ssl_cert: got %q, want %q", got, want)
	}
	env, err = kongenv.Parse([]byte("admin_listen = 127.0.0.1:8444 ssl\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(env.AdminCertificates("/kong"), " "), "/kong/ssl/admin-kong-default.crt /kong/ssl/admin-kong-default-ecdsa.crt"; got != want {
		t.Errorf("Kong's own certificates: got %q, want %q", got, want)
	}
	for _, text := range []string{"", "prefix = /kong\n", "admin_listen =\n", "admin_listen = ,\n"} {
		if env, err := kongenv.Parse([]byte(text)); err == nil || env != nil {
			t.Errorf("%q: got no error", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("admin_listen = 127.0.0.1:8001 reuseport, [::]:8444 ssl\nadmin_ssl_cert = /x\\#y\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		env, err := kongenv.Parse(data)
		if (env == nil) == (err == nil) {
			t.Fatal("settings and an error, or neither")
		}
		if env != nil {
			env.AdminURLs()
		}
	})
}

package mtlsauth

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/certheader"
	"mtls-auth/mtlsauth/internal/kongenv"
	"mtls-auth/mtlsauth/internal/pluginserver"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// trusting answers 401 to a peer that is not trusted.
type trusting struct {
	passing
	peers *peers
	peer  string
}

func (i trusting) Handle(e *pluginserver.Event) error {
	trusted, err := i.peers.trusted(e, i.peer)
	if err != nil || trusted {
		return i.passing.Handle(e)
	}
	return answer(e, authn.Deny(authn.NoneSent, nil))
}

// kong.ip.is_trusted knows no "unix:", so .kong_env tells.
func TestUnixSocketsInTrustedIPs(t *testing.T) {
	for _, test := range []struct {
		name, env, peer string
		trusted         bool
	}{
		{"named", "prefix = /p\ntrusted_ips = 10.0.0.0/8, unix:\n", "unix:", true},
		{"alone", "prefix = /p\ntrusted_ips = unix:\n", "unix:", true},
		{"not named", "prefix = /p\ntrusted_ips = 10.0.0.0/8\n", "unix:", false},
		{"nothing is", "prefix = /p\n", "unix:", false},
		{"no file", "", "unix:", false},
		{"an address", "prefix = /p\ntrusted_ips = unix:\n", "10.0.0.1", false},
		{"none", "prefix = /p\ntrusted_ips = unix:,\n", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPeers(&settings{prefix: prefixWith(t, test.env), log: slog.New(slog.DiscardHandler)})
			for _, when := range []string{"first", "again"} {
				r := handled(t, trusting{passing{new(authn.Answer)}, p, test.peer}, func(*rpc.Request) {})
				if got := r.Exit == nil; got != test.trusted {
					t.Errorf("%s: trusted %v, want %v", when, got, test.trusted)
				}
			}
		})
	}
}

// Each once, however many instances there are.
func TestWarningsOfKongsSettings(t *testing.T) {
	for _, test := range []struct {
		name, env string
		secure    bool
		want      []string
	}{
		{"neither", "prefix = /p\n", true, []string{"trusted_ips", "nginx_proxy_large_client_header_buffers"}},
		{"any source", "prefix = /p\n", false, []string{"nginx_proxy_large_client_header_buffers"}},
		{"both", "prefix = /p\ntrusted_ips = 10.0.0.1\nnginx_proxy_large_client_header_buffers = 8 24k\n", true, nil},
		{"buffers of nginx", "prefix = /p\ntrusted_ips = 10.0.0.1\nnginx_http_large_client_header_buffers = 8 24k\n", true, nil},
		{"no file", "", true, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log strings.Builder
			s := &settings{prefix: prefixWith(t, test.env), log: slog.New(slog.NewTextHandler(&log, nil))}
			for range 2 {
				s.warn(&certheader.Settings{SecureSource: test.secure})
			}
			if got := strings.Count(log.String(), "level=WARN"); got != len(test.want) {
				t.Errorf("%d warnings, want %d:\n%s", got, len(test.want), &log)
			}
			for _, setting := range test.want {
				if !strings.Contains(log.String(), fmt.Sprintf("setting=%s\n", setting)) {
					t.Errorf("no warning of %s in\n%s", setting, &log)
				}
			}
		})
	}
}

// prefixWith makes a prefix with this .kong_env, if any.
func prefixWith(t *testing.T, env string) string {
	t.Helper()
	prefix := t.TempDir()
	if env != "" {
		if err := os.WriteFile(kongenv.Path(prefix), []byte(env), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return prefix
}

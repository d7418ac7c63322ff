package kongenv_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/kongenv"
)

// kongDefaults is what is refused where nothing is known.
const kongDefaults = "0.0.0.0:8000 0.0.0.0:8001 0.0.0.0:8002 0.0.0.0:8005 0.0.0.0:8006 0.0.0.0:8007 0.0.0.0:8443 0.0.0.0:8444 0.0.0.0:8445 " +
	"[::]:8000 [::]:8001 [::]:8002 [::]:8005 [::]:8006 [::]:8007 [::]:8443 [::]:8444 [::]:8445"

func listed(addresses []netip.AddrPort) string {
	var out []string
	for _, a := range addresses {
		out = append(out, a.String())
	}
	return strings.Join(out, " ")
}

func wantListeners(t *testing.T, what string, k *kongenv.Listeners, want string) {
	t.Helper()
	got := strings.Fields(listed(k.AddrPorts()))
	missing := map[string]bool{}
	for _, a := range strings.Fields(want) {
		missing[a] = true
	}
	for _, a := range got {
		if !missing[a] {
			t.Errorf("%s: %s is said to be Kong's", what, a)
		}
		delete(missing, a)
	}
	for a := range missing {
		t.Errorf("%s: %s is missing", what, a)
	}
}

// putEnv writes .kong_env as if it had been there for age.
func putEnv(t *testing.T, prefix string, age time.Duration, lines ...string) {
	t.Helper()
	path := filepath.Join(prefix, ".kong_env")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-age)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestListeners(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  string
	}{
		{"as Kong writes its defaults", []string{
			"admin_gui_listen = 0.0.0.0:8002,0.0.0.0:8445 ssl",
			"admin_listen = 127.0.0.1:8001 reuseport backlog=16384,127.0.0.1:8444 http2 ssl reuseport backlog=16384",
			"cluster_listen = 0.0.0.0:8005",
			"cluster_telemetry_listen = 0.0.0.0:8006",
			"debug_listen = off",
			"proxy_listen = 0.0.0.0:8000 reuseport backlog=16384,0.0.0.0:8443 http2 ssl reuseport backlog=16384",
			"status_listen = 127.0.0.1:8007 reuseport backlog=16384",
			"stream_listen = off",
		}, "0.0.0.0:8000 0.0.0.0:8002 0.0.0.0:8005 0.0.0.0:8006 0.0.0.0:8443 0.0.0.0:8445 127.0.0.1:8001 127.0.0.1:8007 127.0.0.1:8444"},
		{"every setting of that name", []string{
			"admin_listen = 10.0.0.1:1", "debug_listen = 10.0.0.1:2", "stream_listen = 10.0.0.1:3 ssl", "portal_gui_listen = 10.0.0.1:4", "to_come_listen = 10.0.0.1:5",
		}, "10.0.0.1:1 10.0.0.1:2 10.0.0.1:3 10.0.0.1:4 10.0.0.1:5"},
		{"no other setting", []string{"admin_listen = 10.0.0.1:1", "cluster_control_plane = 10.0.0.2:8005", "listener = 10.0.0.3:1"}, "10.0.0.1:1"},
		{"everything off", []string{"admin_listen = off", "proxy_listen = off, 10.0.0.1:1"}, ""},
		{"addresses of IPv6", []string{"admin_listen = [::1]:1 ssl, [::]:2, [::ffff:10.0.0.1]:3, [fe80::1%eth0]:4"}, "[::1]:1 [::]:2 10.0.0.1:3 [fe80::1]:4"},
		{"a host name may be any address", []string{"admin_listen = localhost:1, *:2"}, "0.0.0.0:1 [::]:1 0.0.0.0:2 [::]:2"},
		{"a Unix socket is left out", []string{"admin_listen = unix:/run/kong.sock, unix:/run/a:80, 10.0.0.1:1"}, "10.0.0.1:1"},
		{"nonsense is passed over", []string{"admin_listen = x, 10.0.0.1:99999, :, 10.0.0.1:1"}, "10.0.0.1:1"},
		{"one address twice", []string{"admin_listen = 10.0.0.1:1", "status_listen = 10.0.0.1:1 ssl"}, "10.0.0.1:1"},
		{"the last of two lines", []string{"admin_listen = 10.0.0.1:1", "admin_listen = 10.0.0.1:2"}, "10.0.0.1:2"},
		{"a file that is being written", []string{"prefix = /kong"}, kongDefaults},
		{"a file without end", []string{"admin_listen = "}, kongDefaults},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // where the file was not changed just now
				prefix := t.TempDir()
				putEnv(t, prefix, time.Hour, test.lines...)
				wantListeners(t, "", kongenv.NewListeners(prefix), test.want)
			})
		})
	}
}

// No request waits for the first reading.
func TestListenersAreReadAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		prefix := t.TempDir()
		putEnv(t, prefix, time.Hour, "admin_listen = 10.0.0.1:1")
		k := kongenv.NewListeners(prefix)
		if err := os.Remove(filepath.Join(prefix, ".kong_env")); err != nil {
			t.Fatal(err)
		}
		wantListeners(t, "", k, "10.0.0.1:1")
	})
}

func TestListenersWithoutKongEnv(t *testing.T) {
	wantListeners(t, "absent", kongenv.NewListeners(t.TempDir()), kongDefaults)
	prefix := t.TempDir()
	if err := os.Mkdir(filepath.Join(prefix, ".kong_env"), 0o700); err != nil {
		t.Fatal(err)
	}
	wantListeners(t, "a folder in its place", kongenv.NewListeners(prefix), kongDefaults)
}

// In the bubble the clock says the year 2000, so that a file of that time was
// not changed just now.
func TestListenersFollowChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		prefix := t.TempDir()
		putEnv(t, prefix, time.Hour, "admin_listen = 10.0.0.1:1")
		k := kongenv.NewListeners(prefix)
		wantListeners(t, "at first", k, "10.0.0.1:1")

		putEnv(t, prefix, 0, "admin_listen = 10.0.0.1:22")
		wantListeners(t, "within the second", k, "10.0.0.1:1")
		time.Sleep(time.Second)
		wantListeners(t, "just changed", k, "10.0.0.1:1 10.0.0.1:22")
		time.Sleep(time.Second)
		wantListeners(t, "a second later", k, "10.0.0.1:1 10.0.0.1:22")
		time.Sleep(3 * time.Second)
		wantListeners(t, "settled", k, "10.0.0.1:22")

		putEnv(t, prefix, time.Hour, "prefix = /kong/")
		time.Sleep(time.Second)
		wantListeners(t, "being written", k, "10.0.0.1:22")
		if err := os.Remove(filepath.Join(prefix, ".kong_env")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		wantListeners(t, "absent", k, "10.0.0.1:22")
		putEnv(t, prefix, time.Hour, "admin_listen = off", "proxy_listen = 10.0.0.1:333")
		time.Sleep(time.Second)
		wantListeners(t, "there again", k, "10.0.0.1:333")
	})
}

func TestListenersOfManyCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		prefix := t.TempDir()
		putEnv(t, prefix, time.Hour, "admin_listen = 10.0.0.1:1")
		k := kongenv.NewListeners(prefix)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 50 {
					if len(k.AddrPorts()) == 0 {
						t.Error("no address")
					}
					time.Sleep(300 * time.Millisecond)
				}
			})
		}
		for i := range 10 {
			putEnv(t, prefix, time.Hour, fmt.Sprintf("admin_listen = 10.0.0.1:%d", 100+i))
			time.Sleep(time.Second)
		}
		wg.Wait()
		wantListeners(t, "at last", k, "10.0.0.1:109")
	})
}

func BenchmarkListeners(b *testing.B) {
	prefix := b.TempDir()
	if err := os.WriteFile(filepath.Join(prefix, ".kong_env"), []byte("admin_listen = 10.0.0.1:1\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	k := kongenv.NewListeners(prefix)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			k.AddrPorts()
		}
	})
}

// Kong itself says where it listens, besides what a file says.
func TestListenersThatKongTells(t *testing.T) {
	synctest.Test(t, testListenersThatKongTells)
}

func testListenersThatKongTells(t *testing.T) {
	prefix := t.TempDir()
	k := kongenv.NewListeners(prefix)
	has := func(address string) bool { return slices.Contains(k.AddrPorts(), netip.MustParseAddrPort(address)) }
	if has("127.0.0.1:9001") || !has("0.0.0.0:8001") {
		t.Fatalf("at first %v", k.AddrPorts())
	}
	k.Tell([]string{"127.0.0.1:9001", "unix:/x", "off", "[::1]:9444", "localhost:9002", "127.0.0.1:9001"})
	for _, address := range []string{"127.0.0.1:9001", "[::1]:9444", "0.0.0.0:9002", "0.0.0.0:8001"} {
		if !has(address) {
			t.Errorf("%s is missing in %v", address, k.AddrPorts())
		}
	}
	before := len(k.AddrPorts())
	k.Tell([]string{"127.0.0.1:9001"})
	if n := len(k.AddrPorts()); n != before {
		t.Errorf("told twice: %d addresses, before %d", n, before)
	}
	// What the file says, when it can be read, does not take them away.
	if err := os.WriteFile(filepath.Join(prefix, ".kong_env"), []byte("admin_listen = 127.0.0.1:9100\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second) // it is read once a second
	if !has("127.0.0.1:9100") || !has("127.0.0.1:9001") {
		t.Errorf("with a file: %v", k.AddrPorts())
	}
}

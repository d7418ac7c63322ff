package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// MiB is what memory is counted in here.
const MiB = 1 << 20

// server is a plugin server in the process of the test, whose heap is then the
// server's: what Kong's side holds is little.
type server struct {
	t      testing.TB
	prefix string
	socket string
	cas    string // -ca-dir
}

// newServer starts a plugin server with these CA certificates in -ca-dir.
func newServer(t testing.TB, authorities cas) *server {
	t.Helper()
	prefix := t.TempDir()
	s := &server{t: t, prefix: prefix, socket: filepath.Join(prefix, "mtls-auth.socket"), cas: filepath.Join(prefix, "cas")}
	s.addCAs(authorities)
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- mtlsauth.Serve(mtlsauth.ServerOptions{
			Name: "mtls-auth", Prefix: prefix, SocketMode: 0o600, CADir: s.cas, Refresh: time.Hour, MaxCRLSize: 128 * MiB,
		}, in, io.Discard)
	}()
	t.Cleanup(func() {
		out.Close() // as when Kong's worker ends
		if err := <-ended; err != nil {
			t.Error(err)
		}
		in.Close()
	})
	awaitSocket(t, s.socket)
	return s
}

// addCAs puts CA certificates into -ca-dir.
func (s *server) addCAs(authorities cas) {
	s.t.Helper()
	if err := os.MkdirAll(s.cas, 0o700); err != nil {
		s.t.Fatal(err)
	}
	for id, ca := range authorities {
		writeFile(s.t, filepath.Join(s.cas, id+".pem"), ca.PEM())
	}
}

// kong is the server as the workers of one Kong see it.
func (s *server) kong(n int) *workers { return workersAt(s.t, s.socket, n) }

type workers struct {
	*rpc.Client
	t testing.TB
}

func workersAt(t testing.TB, socket string, n int) *workers {
	k := &workers{rpc.New(rpc.Options{Socket: socket, Plugin: "mtls-auth", Workers: n, Consumers: everybody{}}), t}
	t.Cleanup(k.Close)
	return k
}

// everybody is a Kong that has a consumer of every username.
type everybody struct{}

func (everybody) ConsumerByID(string) map[string]any { return nil }
func (everybody) ConsumerByUsername(name string) map[string]any {
	return map[string]any{"id": caID, "username": name}
}

// load loads a configuration: of the plugin of this number, with fields beside
// or instead of the usual ones.
func (k *workers) load(plugin int, ids []string, fields map[string]any) *rpc.Config {
	k.t.Helper()
	all := map[string]any{
		"__plugin_id": strconv.Itoa(plugin), "ca_certificates": ids, "skip_consumer_lookup": true, "revocation_check_mode": "SKIP",
	}
	for name, value := range fields {
		all[name] = value
	}
	config, err := k.Load(all)
	if err != nil {
		k.t.Fatal(err)
	}
	return config
}

// request is one with a client certificate.
func request(pem string) *rpc.Request {
	return &rpc.Request{
		Var: func(name string) string {
			if name == "ssl_client_raw_cert" {
				return pem
			}
			return ""
		},
		Header: http.Header{}, Shared: map[string]any{}, Ctx: map[string]any{},
	}
}

// present has a certificate judged and returns the status: 0 for a pass.
func (k *workers) present(config *rpc.Config, pem string) int {
	r := request(pem)
	k.Access(r, config)
	r.End()
	if r.Exit != nil {
		return r.Exit.Status
	}
	return 0
}

// expect has a certificate judged and expects the status.
func (k *workers) expect(what string, config *rpc.Config, pem string, status int) {
	k.t.Helper()
	if got := k.present(config, pem); got != status {
		k.t.Fatalf("%s: got status %d, want %d (0 is a pass)", what, got, status)
	}
}

// uuidOf is the n-th id of a CA certificate.
func uuidOf(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", n) }

// manyCAs returns so many CA certificates and their ids, in order. Only the
// first has a key of its own, to issue with; no two can be taken for each other.
func manyCAs(n int) (cas, []string) {
	authorities, ids := cas{}, make([]string, n)
	first := pki.NewCA("CA 0")
	for i := range ids {
		ids[i] = uuidOf(i)
		authorities[ids[i]] = first
		if i > 0 {
			authorities[ids[i]] = pki.NewCA("CA "+strconv.Itoa(i), pki.Key(first.Key))
		}
	}
	return authorities, ids
}

// liveHeap is what the process's heap holds, in bytes.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools let go at the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// resident is VmRSS of a process, in bytes.
func resident(t testing.TB, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmRSS:" {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatalf("process %d has no VmRSS", pid)
	return 0
}

func atMost(t testing.TB, what string, got, most int64) {
	t.Helper()
	t.Logf("%s: %.1f MiB, at most %d MiB are allowed", what, float64(got)/MiB, most/MiB)
	if got > most {
		t.Errorf("%s: %.1f MiB, want at most %d MiB", what, float64(got)/MiB, most/MiB)
	}
}

// ofCost skips a test of memory or time where that means nothing. It runs once, in the
// process of one mode: they share the tests, so that both end at about the same time.
func ofCost(t *testing.T, in mode) {
	t.Helper()
	if chosenMode(t) != in {
		t.Skipf("runs once, in the process of %s mode", in)
	}
	if raceEnabled || testing.Short() {
		t.Skip("a test of cost: neither with -race nor with -short")
	}
}

// ofTime skips a test that mostly waits for what happens when, which the race detector
// distorts.
func ofTime(t *testing.T) {
	t.Helper()
	if raceEnabled || testing.Short() {
		t.Skip("a test of time: neither with -race nor with -short")
	}
}

// besideOthers has a test that puts Kong under load run beside others with -short. Without
// it runs alone, as it must for its figures to say anything.
func besideOthers(t *testing.T) {
	if testing.Short() {
		t.Parallel()
	}
}

// once skips a test that is not about a mode in the process of the second one.
func once(t *testing.T) {
	t.Helper()
	if chosenMode(t) != luaMode {
		t.Skip("runs once, in the process of Lua mode")
	}
}

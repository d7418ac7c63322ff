package e2e

import (
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	pdk "github.com/Kong/go-pdk"
	pdkserver "github.com/Kong/go-pdk/server"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

const caID = "cce8c384-721f-4f58-85dd-50834e3e733a"

// BenchmarkWarmRequest compares the processor time of requests that were decided
// before, in plugin-server mode, with what go-pdk's own server spends on the same
// six calls while it verifies nothing. Each server is a process of its own.
//
//	go test -run '^$' -bench WarmRequest -benchtime 20000x -count 6 ./mtlsauth/e2e
func BenchmarkWarmRequest(b *testing.B) {
	program(b)
	root := pki.NewCA("root")
	leaf := root.Client("client", pki.DNS("client.example")).PEM()
	dir := b.TempDir()
	writeFile(b, filepath.Join(dir, caID+".pem"), root.PEM())
	measure := func(socket, plugin string, pid int, fields map[string]any) func(*testing.B) {
		return func(b *testing.B) {
			k := workersAt(b, socket, 1)
			config := k.load(0, []string{caID}, fields)
			for range 200 { // the instance is started, the decision made
				k.expect(plugin, config, leaf, 0)
			}
			before := processTimeOf(b, pid)
			b.ResetTimer()
			for range b.N {
				k.expect(plugin, config, leaf, 0)
			}
			b.StopTimer()
			b.ReportMetric(float64((processTimeOf(b, pid)-before).Nanoseconds())/float64(b.N), "cpu-ns/req")
		}
	}

	prefix := b.TempDir()
	ours := startProgram(b, prefix, nil, "-ca-dir", dir)
	socket := awaitSocket(b, filepath.Join(prefix, "mtls-auth.socket"))
	b.Run("ours", measure(socket, "ours", ours.Process.Pid, nil))
	b.Run("ours-consumer", measure(socket, "ours", ours.Process.Pid, map[string]any{"skip_consumer_lookup": false, "consumer_by": []string{"username"}}))

	prefix = b.TempDir()
	theirs := exec.Command(os.Args[0])
	theirs.Env = append(os.Environ(), goPDKPrefix+"="+prefix)
	if err := theirs.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = theirs.Process.Kill()
		_ = theirs.Wait()
	})
	socket = awaitSocket(b, filepath.Join(prefix, filepath.Base(os.Args[0])+".socket"))
	b.Run("go-pdk", measure(socket, "go-pdk", theirs.Process.Pid, nil))
}

// goPDKPrefix names, in the environment, the prefix for which this process is to be
// go-pdk's own server with a plugin of six calls.
const goPDKPrefix = "MTLS_AUTH_E2E_GO_PDK_PREFIX"

// serveGoPDK is that server. It does not return; in another process it does nothing.
func serveGoPDK() {
	prefix := os.Getenv(goPDKPrefix)
	if prefix == "" {
		return
	}
	os.Args = []string{os.Args[0], "-kong-prefix", prefix}
	log.SetOutput(io.Discard) // it logs the end of each connection
	if err := pdkserver.StartServer(func() any { return new(sixCalls) }, "1.0.0", 1); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// sixCalls is a plugin that reads the certificate, verifies nothing and makes the
// calls of a full answer.
type sixCalls struct {
	CACertificates      []string `json:"ca_certificates"`
	SkipConsumerLookup  bool     `json:"skip_consumer_lookup"`
	RevocationCheckMode string   `json:"revocation_check_mode"`
}

func (*sixCalls) Access(kong *pdk.PDK) {
	cert, err := kong.Nginx.GetVar("ssl_client_raw_cert")
	if err != nil || cert == "" {
		kong.Response.Exit(401, nil, nil)
		return
	}
	// A request without a chain is answered with nil, which go-pdk reports as an error.
	_, _ = kong.Ctx.GetSharedAny("mtls_auth_client_chain")
	for _, err := range []error{
		kong.ServiceRequest.SetHeaders(map[string][]string{
			"X-Client-Cert-Dn": {"CN=client"}, "X-Client-Cert-San": {"client.example"},
			"X-Consumer-ID": {}, "X-Consumer-Custom-ID": {}, "X-Consumer-Username": {},
			"X-Credential-Identifier": {}, "X-Anonymous-Consumer": {},
		}),
		kong.Ctx.SetShared("authenticated_groups", []any{"client"}),
		kong.Nginx.SetCtx("authenticated_credential", map[string]any{"id": caID}),
		kong.Nginx.SetCtx("CLIENT_VERIFY_OVERRIDE", "SUCCESS"),
	} {
		if err != nil {
			kong.Response.Exit(500, nil, nil)
			return
		}
	}
}

func awaitSocket(tb testing.TB, path string) string {
	tb.Helper()
	for range 1000 {
		if _, err := os.Stat(path); err == nil {
			return path
		}
		time.Sleep(10 * time.Millisecond)
	}
	tb.Fatalf("no server listens on %s", path)
	return ""
}

// processTimeOf is the processor time of a process so far.
func processTimeOf(tb testing.TB, pid int) time.Duration {
	tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		tb.Skip("processor time of other processes is read on Linux alone")
	}
	// The program's name, in parentheses, is followed by the third field; utime
	// and stime are the 14th and 15th, in ticks (proc_pid_stat(5)).
	const ticks = 100 // a second, on every architecture that Go knows
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	sum := 0
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			tb.Fatal(err)
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticks
}

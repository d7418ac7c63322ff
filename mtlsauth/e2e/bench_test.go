package e2e

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	pdk "github.com/Kong/go-pdk"
	pdkserver "github.com/Kong/go-pdk/server"

	"mtls-auth/mtlsauth"
	"mtls-auth/mtlsauth/internal/gateway/rpc"
	"mtls-auth/mtlsauth/internal/pkitest"
)

// The benchmarks measure the processor time and the allocations of a server
// process for one request: the servers run in the process of the benchmark, and
// Kong's side, which is not to be measured, in another one (driver).
//
//	go test -run '^$' -bench WarmRequest -benchtime 20000x -count 6 ./mtlsauth/e2e

const caID = "cce8c384-721f-4f58-85dd-50834e3e733a"

// BenchmarkWarmRequest compares requests that were decided before, each with a
// full answer. What go-pdk's own server runs makes the same six calls and
// verifies nothing.
func BenchmarkWarmRequest(b *testing.B) {
	root := pkitest.NewCA("root")
	leaf := root.Intermediate("intermediate").Client("client", pkitest.DNS("client.example"))
	prefix := b.TempDir()
	ours := startOurs(b, prefix, root)
	servers := []struct {
		name, socket string
		skip         bool // skip_consumer_lookup
	}{
		{"ours", ours, true},
		{"ours-consumer", ours, false},
		{"go-pdk", startGoPDK(b, prefix), true},
	}
	for _, server := range servers {
		b.Run(server.name, func(b *testing.B) {
			drive := startDriver(b, server.socket, prefix, leaf, server.skip)
			drive(200) // the instance is started, the decision made
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			cpu := processTime()
			b.ResetTimer()
			drive(b.N)
			b.StopTimer()
			spent := processTime() - cpu
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), "cpu-ns/req")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N), "allocs/req")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(b.N), "B/req")
		})
	}
}

// processTime is the processor time of this process.
func processTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func startOurs(b *testing.B, prefix string, root *pkitest.Certificate) (socket string) {
	b.Helper()
	cas := filepath.Join(prefix, "cas")
	if err := os.MkdirAll(cas, 0o700); err != nil {
		b.Fatal(err)
	}
	writeFile(b, filepath.Join(cas, caID+".pem"), root.PEM())
	in, out, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- mtlsauth.Serve(mtlsauth.ServerOptions{
			Name: "mtls-auth", Prefix: prefix, SocketMode: 0o600, CADir: cas, Refresh: 10 * time.Second,
		}, in, io.Discard)
	}()
	b.Cleanup(func() {
		out.Close() // as when Kong's worker ends
		if err := <-ended; err != nil {
			b.Error(err)
		}
		in.Close()
	})
	return awaitSocket(b, filepath.Join(prefix, "mtls-auth.socket"))
}

// sixCalls is a plugin that looks at the certificate, verifies nothing and
// gives a full answer.
type sixCalls struct{}

func (sixCalls) Access(kong *pdk.PDK) {
	cert, err := kong.Nginx.GetVar("ssl_client_raw_cert")
	if err != nil || cert == "" {
		kong.Response.Exit(401, nil, nil)
		return
	}
	if _, err := kong.Ctx.GetSharedString("mtls_auth_client_chain"); err != nil {
		kong.Response.Exit(401, nil, nil)
		return
	}
	kong.ServiceRequest.SetHeaders(map[string][]string{
		"X-Client-Cert-Dn": {"CN=client"}, "X-Client-Cert-San": {"client.example"},
		"X-Consumer-ID": {}, "X-Consumer-Custom-ID": {}, "X-Consumer-Username": {},
		"X-Credential-Identifier": {}, "X-Anonymous-Consumer": {},
	})
	kong.Ctx.SetShared("authenticated_groups", []any{"client"})
	kong.Nginx.SetCtx("authenticated_credential", map[string]any{"id": caID})
	kong.Nginx.SetCtx("CLIENT_VERIFY_OVERRIDE", "SUCCESS")
}

var goPDKOnce sync.Once

// startGoPDK starts go-pdk's server, which has no end but the process's and
// takes its name from the program's.
func startGoPDK(b *testing.B, prefix string) (socket string) {
	b.Helper()
	goPDKOnce.Do(func() {
		os.Args = []string{os.Args[0], "-kong-prefix", prefix}
		log.SetOutput(io.Discard) // it logs each connection's end
		go pdkserver.StartServer(func() any { return &sixCalls{} }, "0.1.0", 1)
	})
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	return awaitSocket(b, filepath.Join(prefix, filepath.Base(program)+".socket"))
}

func awaitSocket(tb testing.TB, path string) string {
	tb.Helper()
	for range 1000 {
		if _, err := os.Stat(path); err == nil {
			return path
		}
		time.Sleep(10 * time.Millisecond)
	}
	tb.Fatalf("nobody listens on %s", path)
	return ""
}

// startDriver starts Kong's side in a process of its own and returns what has
// it make so many requests, over one connection.
func startDriver(b *testing.B, socket, dir string, leaf *pkitest.Certificate, skip bool) (drive func(requests int)) {
	b.Helper()
	evidence := filepath.Join(dir, "leaf.pem")
	writeFile(b, evidence, leaf.PEM())
	writeFile(b, evidence+".chain", leaf.ChainPEM())
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), driverVariable+"="+socket+","+evidence+","+strconv.FormatBool(skip))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Errorf("driver: %v", err)
		}
	})
	answers := bufio.NewScanner(out)
	return func(requests int) {
		fmt.Fprintln(in, requests)
		if !answers.Scan() || answers.Text() != "done" {
			b.Fatalf("driver: %q", answers.Text())
		}
	}
}

// driverVariable makes the test program a driver: Kong's side of a benchmark.
const driverVariable = "MTLS_AUTH_BENCHMARK_DRIVER"

// oneConsumer is a Kong with the consumer of the benchmark's certificate.
type oneConsumer struct{}

func (oneConsumer) ConsumerByID(string) map[string]any { return nil }
func (oneConsumer) ConsumerByUsername(name string) map[string]any {
	if name != "client.example" {
		return nil
	}
	return map[string]any{"id": caID, "username": name}
}

// runDriver makes as many requests as each line of stdin says.
func runDriver(arguments string) error {
	words := strings.Split(arguments, ",")
	socket, evidence, skip := words[0], words[1], words[2] == "true"
	leaf, err := os.ReadFile(evidence)
	if err != nil {
		return err
	}
	chain, err := os.ReadFile(evidence + ".chain")
	if err != nil {
		return err
	}
	client := rpc.New(rpc.Options{
		Socket: socket, Plugin: strings.TrimSuffix(filepath.Base(socket), ".socket"), Consumers: oneConsumer{},
	})
	defer client.Close()
	config, err := client.Load(map[string]any{
		"__plugin_id": "1", "ca_certificates": []any{caID}, "skip_consumer_lookup": skip,
		"consumer_by": []any{"username"}, "cache_ttl": 3600, "revocation_check_mode": "SKIP", "authenticated_group_by": "CN",
	})
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var requests int
		if _, err := fmt.Sscan(lines.Text(), &requests); err != nil {
			return err
		}
		for range requests {
			r := &rpc.Request{
				Var: func(name string) string {
					if name == "ssl_client_raw_cert" {
						return string(leaf)
					}
					return ""
				},
				Header: http.Header{},
				Shared: map[string]any{"mtls_auth_client_chain": string(chain)},
				Ctx:    map[string]any{},
			}
			client.Access(r, config)
			r.End()
			if r.Exit != nil || r.Ctx["CLIENT_VERIFY_OVERRIDE"] != "SUCCESS" {
				return fmt.Errorf("a request did not pass: %+v", r.Exit)
			}
		}
		fmt.Println("done")
	}
	return lines.Err()
}

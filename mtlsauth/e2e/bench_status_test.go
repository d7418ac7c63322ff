package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// The benchmarks of certificate status measure the processor time of the real
// program, as the system accounts for it, and the time of a request:
//
//	go test -run '^$' -bench Status -benchtime 20000x -count 6 ./mtlsauth/e2e

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

// asking returns what makes one request with a certificate, without TLS, over a
// connection of its own to the program.
func (r *rig) asking(b *testing.B, config object) func(cert *pki.Certificate) {
	b.Helper()
	client := rpc.New(rpc.Options{Socket: r.socket, Plugin: "mtls-auth"})
	b.Cleanup(client.Close)
	fields := object{"__plugin_id": "bench"}
	for name, value := range config {
		fields[name] = value
	}
	loaded, err := client.Load(fields)
	if err != nil {
		b.Fatal(err)
	}
	return func(cert *pki.Certificate) {
		leaf := cert.PEM()
		request := &rpc.Request{Header: http.Header{}, Shared: object{}, Ctx: object{}, Var: func(name string) string {
			if name == "ssl_client_raw_cert" {
				return leaf
			}
			return ""
		}}
		client.Access(request, loaded)
		request.End()
		if request.Exit != nil || request.Ctx["CLIENT_VERIFY_OVERRIDE"] != "SUCCESS" {
			b.Fatalf("a request did not pass: %+v", request.Exit)
		}
	}
}

// measured runs f b.N times and reports the program's processor time.
func (r *rig) measured(b *testing.B, f func(n int)) time.Duration {
	b.Helper()
	pid := r.Process().PID()
	before := processTimeOf(b, pid)
	b.ResetTimer()
	for n := range b.N {
		f(n)
	}
	b.StopTimer()
	each := (processTimeOf(b, pid) - before) / time.Duration(b.N)
	b.ReportMetric(float64(each.Nanoseconds()), "cpu-ns/req")
	return b.Elapsed() / time.Duration(b.N)
}

// BenchmarkWarmStatus compares requests with a certificate that was asked about
// before: not checked at all, found good, and with a responder that is dead.
// What it tells is the ratio to those not checked.
func BenchmarkWarmStatus(b *testing.B) {
	root := newAuthority(b, pki.NewCA("root"))
	r := newRig(b, cas{idA: root.Certificate}, nil, startedWith(func(command string) string { return command + " -log-level error" }))
	good, dead := root.Client("good", root.byOCSP()), root.Client("dead", pki.OCSPServer(newClosedPort(b).address))
	root.responder.Good(good)
	var skipped time.Duration
	for _, test := range []struct {
		name, mode string
		cert       *pki.Certificate
	}{{"SKIP", "SKIP", good}, {"good", "IGNORE_CA_ERROR", good}, {"dead", "IGNORE_CA_ERROR", dead}} {
		b.Run(test.name, func(b *testing.B) {
			ask := r.asking(b, checked(test.mode))
			for range 200 {
				ask(test.cert)
			}
			each := r.measured(b, func(int) { ask(test.cert) })
			if test.mode == "SKIP" {
				skipped = each
			}
			if skipped > 0 {
				b.ReportMetric(float64(each)/float64(skipped), "x-SKIP")
			}
		})
	}
}

// BenchmarkColdStatus is a request with a certificate that was never seen: path
// validation alone, and with one OCSP exchange on the loopback interface.
func BenchmarkColdStatus(b *testing.B) {
	root := newAuthority(b, pki.NewCA("root"))
	r := newRig(b, cas{idA: root.Certificate}, nil)
	for _, mode := range []string{"SKIP", "STRICT"} {
		b.Run(mode, func(b *testing.B) {
			ask := r.asking(b, checked(mode))
			certs := make([]*pki.Certificate, b.N)
			for n := range certs {
				certs[n] = root.Client("client", root.byOCSP())
				root.responder.Good(certs[n])
			}
			r.measured(b, func(n int) { ask(certs[n]) })
		})
	}
}

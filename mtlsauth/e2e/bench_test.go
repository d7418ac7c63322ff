package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	benchkong "mtls-auth/mtlsauth/bench/kong"
	"mtls-auth/mtlsauth/bench/role"
	benchserver "mtls-auth/mtlsauth/bench/server"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

const caID = benchserver.CAID

// BenchmarkWarmRequest compares requests that were decided before, each with a
// full answer: ours, and what go-pdk's own server makes of the same six calls
// without verifying anything. Servers and Kong's side are processes of their own;
// mtlsauth/bench measures more, and in turn.
//
//	go test -run '^$' -bench WarmRequest -benchtime 20000x -count 6 ./mtlsauth/e2e
func BenchmarkWarmRequest(b *testing.B) {
	root := pki.NewCA("root")
	leaf := root.Intermediate("intermediate").Client("client", pki.DNS("client.example"))
	dir := b.TempDir()
	writeFile(b, filepath.Join(dir, caID+".pem"), root.PEM())
	evidence := filepath.Join(dir, "evidence")
	err := benchkong.WriteEvidence(evidence, []benchkong.Evidence{{Leaf: leaf.PEM(), Chain: leaf.ChainPEM()}})
	if err != nil {
		b.Fatal(err)
	}
	for _, one := range []struct {
		name, role string
		options    any
		skip       bool // skip_consumer_lookup
	}{
		{"ours", "ours", benchserver.Ours{Prefix: b.TempDir(), CADir: dir}, true},
		{"ours-consumer", "ours", benchserver.Ours{Prefix: b.TempDir(), CADir: dir}, false},
		{"go-pdk", "StartServer", benchserver.GoPDK{Prefix: b.TempDir(), Plugin: "six"}, true},
	} {
		b.Run(one.name, func(b *testing.B) { benchmarkWarm(b, one.role, one.options, evidence, one.skip) })
	}
}

func benchmarkWarm(b *testing.B, name string, options any, evidence string, skip bool) {
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	measured, err := role.Run(name, options)
	must(err)
	b.Cleanup(func() { must(measured.Close()) })
	socket, err := benchserver.Socket(measured)
	must(err)
	driver, err := benchkong.Start(benchkong.Options{Socket: socket, Consumers: map[string]string{"client.example": caID}})
	must(err)
	b.Cleanup(func() { must(driver.Close()) })
	must(driver.Read("", evidence))
	must(driver.Load("", map[string]any{
		"__plugin_id": "1", "ca_certificates": []any{caID}, "skip_consumer_lookup": skip,
		"consumer_by": []any{"username"}, "cache_ttl": 3600, "revocation_check_mode": "SKIP", "authenticated_group_by": "CN",
	}))
	drive := func(requests int) {
		_, err := driver.Run(benchkong.Job{Configs: []string{""}, Requests: requests})
		must(err)
	}
	drive(200) // the instance is started, the decision made
	must(measured.Settle())
	before, err := measured.Usage()
	must(err)
	b.ResetTimer()
	drive(b.N)
	b.StopTimer()
	after, err := measured.Usage()
	must(err)
	used, n := after.Since(before), float64(b.N)
	b.ReportMetric(float64(used.CPU.Nanoseconds())/n, "cpu-ns/req")
	b.ReportMetric(float64(used.Allocs)/n, "allocs/req")
	b.ReportMetric(float64(used.Bytes)/n, "B/req")
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

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// BenchmarkStart is the time from exec to a connection that is accepted, which
// is when Kong's first request can be served, and until the first event has its
// answer: with 1,000 CA certificates in -ca-dir, and with 20,000 mappings in
// -credentials besides.
//
//	go test -run '^$' -bench Start -benchtime 20x -count 3 ./mtlsauth/e2e
func BenchmarkStart(b *testing.B) {
	program(b) // is built outside of what is measured
	authorities, ids := manyCAs(1000)
	dir := b.TempDir()
	cas := filepath.Join(dir, "cas")
	if err := os.Mkdir(cas, 0o700); err != nil {
		b.Fatal(err)
	}
	for id, ca := range authorities {
		writeFile(b, filepath.Join(cas, id+".pem"), ca.PEM())
	}
	mappings := filepath.Join(dir, "credentials.yaml")
	writeFile(b, mappings, manyMappings(20_000))
	leaf := authorities[ids[0]].Client("a0.example").PEM()
	for _, with := range []struct{ name, flags string }{
		{"cas", "-ca-dir " + cas},
		{"cas-credentials", "-ca-dir " + cas + " -credentials " + mappings},
	} {
		b.Run(with.name, func(b *testing.B) {
			var accepted, answered time.Duration
			for b.Loop() {
				prefix := b.TempDir()
				socket := filepath.Join(prefix, "mtls-auth.socket")
				begin := time.Now()
				p := startProgram(b, prefix, nil, strings.Fields(with.flags)...)
				awaitAccept(b, socket)
				accepted += time.Since(begin)
				k := workersAt(b, socket, 1)
				config := k.load(0, ids, map[string]any{"skip_consumer_lookup": false, "consumer_by": []string{"username"}})
				k.expect("the first request", config, leaf, 0)
				answered += time.Since(begin)
				p.end()
			}
			b.ReportMetric(float64(accepted.Microseconds())/1000/float64(b.N), "ms-to-accept")
			b.ReportMetric(float64(answered.Microseconds())/1000/float64(b.N), "ms-to-answer")
			b.ReportMetric(0, "ns/op") // which counts the end as well
		})
	}
}

package kongdata_test

import (
	"context"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func benchStore(b *testing.B, refresh time.Duration, sources ...kongdata.Source) *kongdata.Store {
	b.Helper()
	_, logger := newLog()
	s := kongdata.NewStore(kongdata.Options{Sources: sources, Refresh: refresh, Log: logger})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()
	b.Cleanup(func() { cancel(); <-ended })
	return s
}

func BenchmarkSnapshot(b *testing.B) {
	a := newFake("a")
	a.set(uuid(1), pki.NewCA("one").PEM())
	set := benchStore(b, time.Hour, a.source()).Want([]string{uuid(1)})
	set.Wait(context.Background())
	b.Run("Snapshot", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			set.Snapshot()
		}
	})
	b.Run("Wait", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			set.Wait(context.Background())
		}
	})
}

// BenchmarkRead is one reading of 1,000 CA certificates that are known.
func BenchmarkRead(b *testing.B) {
	const count = 1000
	pem := pki.NewCA("one").PEM()
	dir := b.TempDir()
	admin := newAdmin()
	ids := make([]string, count)
	for i := range ids {
		ids[i] = uuid(i + 1)
		if err := writeFile(filepath.Join(dir, ids[i]+".pem"), pem); err != nil {
			b.Fatal(err)
		}
		admin.set(ids[i], pem)
	}
	server := httptest.NewServer(admin)
	b.Cleanup(server.Close)
	_, logger := newLog()
	for name, c := range map[string]kongdata.Config{"folder": {CADir: dir}, "Admin API": {AdminURL: server.URL}} {
		b.Run(name, func(b *testing.B) {
			sources, err := kongdata.Open(c, logger)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				c := sources[0].Read(b.Context(), kongdata.Request{IDs: ids, All: true})
				if len(c.CACertificates) != count || c.CACertificates[ids[0]].Certificate == nil {
					b.Fatalf("got %d, error %v", len(c.CACertificates), c.Err)
				}
			}
		})
	}
}

package kongdata_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
)

// hangingAdmin hangs for paths with a prefix and has one CA certificate and one
// consumer.
func hangingAdmin(t *testing.T, prefix string) (kongdata.Config, *atomic.Int32) {
	t.Helper()
	admin, consumers := newAdmin(), newKong()
	admin.set(uuid(500), pemOf("one"))
	consumers.add(consumer.Consumer{ID: uuid(1), Username: "x"})
	release := make(chan struct{})
	asked := new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, prefix):
			asked.Add(1)
			select {
			case <-release:
			case <-r.Context().Done():
			}
		case strings.HasPrefix(r.URL.Path, "/consumers"):
			consumers.ServeHTTP(w, r)
		default:
			admin.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	return kongdata.Config{AdminURL: server.URL}, asked
}

// A round of CA certificates that hangs holds up no lookup, on the wire either.
func TestAdminConsumerBesideCACertificates(t *testing.T) {
	c, asked := hangingAdmin(t, "/ca_certificates")
	s, _ := openAdmin(t, c)
	ids := make([]string, 100)
	for i := range ids {
		ids[i] = uuid(i)
	}
	s.Want(ids)
	for asked.Load() < kongdata.AtOnce {
		time.Sleep(time.Millisecond)
	}
	began := time.Now()
	wantLookup(t, s, consumer.ByUsername, "x", "x")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("waited %v", took)
	}
}

// Nor does one that fails: each lookup is asked for.
func TestAdminConsumerAfterUnansweredCACertificates(t *testing.T) {
	consumers := newKong()
	consumers.add(consumer.Consumer{ID: uuid(1), Username: "x"})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/ca_certificates") {
			panic(http.ErrAbortHandler)
		}
		consumers.ServeHTTP(w, r)
	}))
	defer server.Close()
	s, _ := openAdmin(t, kongdata.Config{AdminURL: server.URL})
	ids := make([]string, 100)
	for i := range ids {
		ids[i] = uuid(i)
	}
	s.Want(ids).Wait(t.Context())
	wantLookup(t, s, consumer.ByUsername, "x", "x")
}

// Requests that end while they wait say nothing about the Admin API to the
// questions about CA certificates.
func TestAdminCACertificatesBesideConsumers(t *testing.T) {
	t.Parallel()
	c, asked := hangingAdmin(t, "/consumers")
	s, log := openAdmin(t, c)
	var lookups sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	for n := range 40 {
		lookups.Go(func() {
			if got := lookup(ctx, s, consumer.ByUsername, fmt.Sprint(n)); !strings.HasPrefix(got, "error: ") {
				t.Errorf("got %q", got)
			}
		})
	}
	for asked.Load() < kongdata.AtOnce {
		time.Sleep(time.Millisecond)
	}
	wantNames(t, "beside lookups", s.Want([]string{uuid(500)}).Wait(t.Context()), "one/")
	lookups.Wait()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("lookups ended only after %v", took)
	}
	if n := asked.Load(); n > kongdata.AtOnce {
		t.Errorf("%d questions at once, want at most %d", n, kongdata.AtOnce)
	}

	// During a round.
	end := time.Now().Add(time.Second)
	for range kongdata.AtOnce {
		lookups.Go(func() {
			for time.Now().Before(end) {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
				lookup(ctx, s, consumer.ByUsername, "x")
				cancel()
			}
		})
	}
	for n := range 50 {
		set := s.Want([]string{uuid(500), uuid(500 + 10*n), uuid(501 + 10*n), uuid(502 + 10*n), uuid(503 + 10*n)})
		set.Wait(t.Context())
		set.Release()
	}
	lookups.Wait()
	if log.count("since it did not answer before") != 0 || log.count("source of CA certificates does not answer") != 0 {
		t.Errorf("log:\n%s", log)
	}
}

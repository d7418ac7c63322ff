package kongdata_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
)

func TestConsumerWaitsForTheFirstReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newConsumerFake("a")
		a.consumers["username=x"] = consumer.Consumer{ID: uuid(1), Username: "x"}
		a.firstRead = 3 * time.Second
		log, logger := newLog()
		s := start(t, kongdata.Options{Sources: sourcesOf(a), Log: logger})
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if got := lookup(ctx, s, consumer.ByUsername, "x"); !strings.HasPrefix(got, "error: a: it has not been read yet") {
			t.Errorf("got %q", got)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("waited %v, want 2s", took)
		}
		ended, end := context.WithCancel(t.Context())
		end()
		lookup(ended, s, consumer.ByUsername, "x")
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("waited on after the end of the request, %v", took)
		}
		wantLookup(t, s, consumer.ByUsername, "x", "x")
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("waited %v, want 3s", took)
		}
		if n := log.count("has not been read yet"); n != 1 {
			t.Errorf("%d lines, want 1:\n%s", n, log)
		}

		// Later readings hold up no lookup.
		s.Reload()
		synctest.Wait()
		began = time.Now()
		wantLookup(t, s, consumer.ByUsername, "x", "x")
		if took := time.Since(began); took != 0 {
			t.Errorf("waited %v for a reading that is not the first", took)
		}
		time.Sleep(time.Minute)
	})
}

// Without Run there is no reading, and still an end.
func TestConsumerWithoutRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, logger := newLog()
		s := kongdata.NewStore(kongdata.Options{Sources: sourcesOf(newConsumerFake("a")), Log: logger})
		began := time.Now()
		wantLookup(t, s, consumer.ByUsername, "x", "error: a: it has not been read yet…")
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("waited %v, want 10s", took)
		}
	})
}

func TestConsumersAndCACertificatesHoldUpNeither(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newConsumerFake("a")
		a.delay = time.Hour
		a.consumers["username=x"] = consumer.Consumer{ID: uuid(1), Username: "x"}
		s := start(t, kongdata.Options{Sources: sourcesOf(a)})
		synctest.Wait() // the first reading
		for n := range 100 {
			s.Want([]string{uuid(n)})
		}
		synctest.Wait()
		began := time.Now()
		wantLookup(t, s, consumer.ByUsername, "x", "x")
		if took := time.Since(began); took != 0 {
			t.Errorf("a lookup waited %v for CA certificates", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		a := newConsumerFake("a")
		a.consumerDelay = time.Hour
		a.set(uuid(1), pemOf("one"))
		s := start(t, kongdata.Options{Sources: sourcesOf(a)})
		var lookups sync.WaitGroup
		defer lookups.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for n := range 100 {
			lookups.Go(func() { lookup(ctx, s, consumer.ByUsername, fmt.Sprint(n)) })
		}
		synctest.Wait()
		began := time.Now()
		wantNames(t, "beside lookups", s.Want([]string{uuid(1)}).Wait(t.Context()), "one/")
		if took := time.Since(began); took != 0 {
			t.Errorf("a CA certificate waited %v for lookups", took)
		}
	})
}

// A lookup ends with the request, and else after 10 s.
func TestLookupsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newConsumerFake("a")
		a.consumerDelay = time.Hour
		s := start(t, kongdata.Options{Sources: sourcesOf(a)})
		synctest.Wait()
		for _, allowed := range []time.Duration{time.Minute, 2 * time.Second} {
			ctx, cancel := context.WithTimeout(t.Context(), allowed)
			defer cancel()
			began := time.Now()
			if got := lookup(ctx, s, consumer.ByUsername, "x"); !strings.HasPrefix(got, "error: ") {
				t.Errorf("got %q", got)
			}
			if took := time.Since(began); took != min(allowed, 10*time.Second) {
				t.Errorf("took %v of %v", took, allowed)
			}
		}
	})
}

func TestConsumerConcurrentUse(t *testing.T) {
	t.Parallel()
	admin := newKong()
	admin.add(consumer.Consumer{ID: uuid(1), Username: "x", CustomID: "c"})
	server := httptest.NewServer(admin)
	defer server.Close()
	path := filepath.Join(t.TempDir(), "kong.yml")
	text := func(name string) string { return "consumers:\n- {id: " + uuid(2) + ", username: " + name + "}\n" }
	write(t, path, text("a"))
	s, _ := openAdmin(t, kongdata.Config{DeclarativeConfig: path, AdminURL: server.URL})
	set := s.Want([]string{uuid(1), uuid(2)})
	end := time.Now().Add(500 * time.Millisecond)
	var users sync.WaitGroup
	for range 16 {
		users.Go(func() {
			for time.Now().Before(end) {
				switch rand.IntN(4) {
				case 0:
					wantLookup(t, s, consumer.ByUsername, "x", "x")
				case 1:
					wantLookup(t, s, consumer.ByCustomID, "c", "x")
				case 2:
					wantLookup(t, s, consumer.ByUsername, "absent", "absent")
				case 3:
					if got := lookup(t.Context(), s, consumer.ByUsername, "a"); got != "a" && got != "absent" {
						t.Errorf("got %q", got)
					}
				}
			}
		})
	}
	users.Go(func() {
		for i := 0; time.Now().Before(end); i++ {
			replace(t, path, text([]string{"a", "b"}[i%2]))
			s.Reload()
			set.Snapshot()
			time.Sleep(time.Millisecond)
		}
	})
	users.Wait()
}

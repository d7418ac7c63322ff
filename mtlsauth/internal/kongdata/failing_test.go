package kongdata_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/kongenv"
)

// An id that is released while it is asked for, or known from a higher source, is
// not one that a source does not answer for.
func TestFailingIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		above, slow := newFake("above"), newFake("slow")
		slow.delay = time.Second
		slow.fail(errDown)
		log, logger := newLog()
		s := start(t, kongdata.Options{Sources: sourcesOf(above, slow), Log: logger})
		want := func(when string, lines, again int) {
			t.Helper()
			if got := log.count("source cannot be read"); got != lines {
				t.Errorf("%s: %d lines of failures, want %d", when, got, lines)
			}
			if got := log.count("source can be read again"); got != again {
				t.Errorf("%s: %d lines of the end of failures, want %d", when, got, again)
			}
		}
		set := s.Want([]string{uuid(1)})
		time.Sleep(500 * time.Millisecond)
		set.Release()
		time.Sleep(time.Minute)
		want("released while it was asked for", 0, 0)
		set = s.Want([]string{uuid(2)})
		set.Wait(t.Context())
		time.Sleep(3 * time.Second) // until it has been asked for this one
		want("down", 1, 0)
		above.set(uuid(2), pemOf("two"))
		time.Sleep(time.Minute)
		want("taken over", 1, 1)
		above.set(uuid(2), "")
		time.Sleep(time.Minute)
		want("down again", 2, 1)
		set.Release()
		time.Sleep(time.Minute)
		want("released", 2, 2)
	})
}

// A missing id is asked for soon again when a new configuration names it, and
// then after growing pauses from the first on.
func TestWantBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFake("a")
		s := start(t, kongdata.Options{Sources: sourcesOf(a), Refresh: time.Minute})
		s.Want([]string{uuid(1)}).Wait(t.Context())
		time.Sleep(10 * time.Minute)
		before := len(a.times(uuid(1)))
		began := time.Now()
		s.Want([]string{uuid(1)})
		time.Sleep(8 * time.Second)
		var pauses []time.Duration
		for _, at := range a.times(uuid(1))[before:] {
			pauses = append(pauses, at.Sub(began).Round(time.Second))
		}
		// At once, and then 1 s, 2 s and 4 s after that.
		if want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second}; !slices.Equal(pauses, want) {
			t.Errorf("asked after %v, want %v", pauses, want)
		}
	})
}

// So it is for one that was known since it was last missing.
func TestMissesEndWhenKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFake("a")
		s := start(t, kongdata.Options{Sources: sourcesOf(a), Refresh: time.Minute})
		set := s.Want([]string{uuid(1)})
		set.Wait(t.Context())
		time.Sleep(10 * time.Minute)
		a.set(uuid(1), pemOf("one"))
		time.Sleep(5 * time.Minute)
		wantNames(t, "known", set.Snapshot(), "one/")
		a.set(uuid(1), "")
		for len(set.Snapshot().Missing) == 0 {
			time.Sleep(time.Millisecond)
		}
		before := len(a.times(uuid(1)))
		time.Sleep(8 * time.Second)
		if n := len(a.times(uuid(1))) - before; n != 3 {
			t.Errorf("asked %d times in 8 s, want 3: after 1 s, 2 s and 4 s", n)
		}
	})
}

// panickingSource panics where it is told to.
type panickingSource struct {
	*consumerFake
	reading, lookup atomic.Bool
}

func (p *panickingSource) source() kongdata.Source {
	s := p.consumerFake.source()
	read, find := s.Read, s.Consumer
	s.Read = func(ctx context.Context, r kongdata.Request) kongdata.Contents {
		c := read(ctx, r)
		if p.reading.Load() {
			panic("in a reading")
		}
		return c
	}
	s.Consumer = func(ctx context.Context, q consumer.Query) (*consumer.Consumer, error) {
		if p.lookup.Load() {
			panic("in a lookup")
		}
		return find(ctx, q)
	}
	return s
}

// A panic is a source that is down, not the end of the process.
func TestPanics(t *testing.T) {
	for _, where := range []string{"reading", "lookup"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := &panickingSource{consumerFake: newConsumerFake("src")}
				flag := map[string]*atomic.Bool{"reading": &source.reading, "lookup": &source.lookup}[where]
				source.set(uuid(1), pemOf("one"))
				source.consumers["username=x"] = consumer.Consumer{ID: uuid(9), Username: "x"}
				log, logger := newLog()
				s := start(t, kongdata.Options{Sources: sourcesOf(source), Log: logger})
				set := s.Want([]string{uuid(1)})
				wantNames(t, "before", set.Wait(t.Context()), "one/")
				flag.Store(true)
				source.set(uuid(1), pemOf("two"))
				for range 330 {
					time.Sleep(time.Second)
					if where == "lookup" {
						if _, err := find(t.Context(), s, consumer.ByUsername, "x"); err == nil {
							t.Fatal("a lookup that panicked has an answer")
						}
					}
				}
				if where != "lookup" {
					wantNames(t, "what was known stays", set.Snapshot(), "one/")
				}
				if _, err := find(t.Context(), s, consumer.ByUsername, "y"); where == "reading" && (err == nil || errors.Is(err, kongdata.ErrNotFound)) {
					t.Errorf("a consumer that was not known: got %v", err)
				}
				if n := log.count("panic while a source was asked"); n < 5 || n > 6 {
					t.Errorf("%d lines in 5.5 minutes, want one a minute", n)
				}
				if !strings.Contains(log.String(), "in a "+where) || !strings.Contains(log.String(), "failing_test.go") {
					t.Errorf("no reason or stack:\n%s", log)
				}
				flag.Store(false)
				time.Sleep(time.Minute)
				wantNames(t, "after it", set.Snapshot(), "two/")
				wantLookup(t, s, consumer.ByUsername, "x", "x")
				if where == "reading" && !slices.Contains(source.forced(), true) {
					t.Error("after a panic not everything is read again")
				}
			})
		})
	}
}

// An answer that is not used does not hold a place however slowly it goes on.
func TestEndlessNotFound(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		for r.Context().Err() == nil {
			fmt.Fprint(w, "x")
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	}))
	defer server.Close()
	lower := newFake("lower")
	lower.set(uuid(1), pemOf("one"))
	s, _ := openAdmin(t, kongdata.Config{AdminURL: server.URL}, lower.source())
	began := time.Now()
	wantNames(t, "", s.Want([]string{uuid(1)}).Wait(t.Context()), "one/")
	if took := time.Since(began); took > time.Second {
		t.Errorf("waited %v", took)
	}
}

// After some exchanges without an answer the other ids are not asked for.
func TestMaxUnanswered(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked.Add(1)
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	sources, err := kongdata.Open(kongdata.Config{AdminURL: server.URL}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r := kongdata.Request{All: true}
	for i := range 200 {
		r.IDs = append(r.IDs, uuid(i))
	}
	sources[0].Read(t.Context(), kongdata.Request{})
	for range 2 {
		asked.Store(0)
		read := sources[0].Read(t.Context(), r)
		for _, id := range r.IDs {
			if err := read.CACertificates[id].Err; err == nil || errors.Is(err, kongdata.ErrNotFound) {
				t.Fatalf("got %v", err)
			}
		}
		if n := asked.Load(); n < 3 || n > 3+kongdata.AtOnce {
			t.Errorf("asked %d times in a reading, want 3 and what was under way", n)
		}
	}
}

// Every exchange with the Admin API ends by itself.
func TestClientTimeout(t *testing.T) {
	client, err := kongdata.SharedClient("https://kong.example")
	if err != nil {
		t.Fatal(err)
	}
	if client.Timeout != kongdata.RequestTimeout || client.Timeout <= 0 || client.Timeout > 5*time.Second {
		t.Errorf("got %v", client.Timeout)
	}
}

// What admin_ssl_cert names is trusted of a listener of this machine only.
func TestPinsAreForLoopback(t *testing.T) {
	for listen, pinned := range map[string]bool{
		"127.0.0.1:8444 ssl": true, "0.0.0.0:8444 ssl": true, "[::1]:8444 ssl": true, "localhost:8444 ssl": true,
		"192.0.2.1:8444 ssl": false, "kong.example:8444 ssl": false, "127.0.0.1:8001": false,
	} {
		t.Run(listen, func(t *testing.T) {
			env, err := kongenv.Parse([]byte(envOf("admin_listen = "+listen, "admin_ssl_cert = /a.crt")))
			if err != nil {
				t.Fatal(err)
			}
			if got := kongdata.KongEnvTarget("/kong", env); strings.Contains(got, "/a.crt") != pinned {
				t.Errorf("got %q", got)
			}
		})
	}
}

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
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/kongenv"
)

// An id that is released while it is asked for, or known for certain from a
// higher source, is not one that a source does not answer for.
func TestFailingIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		above, slow := newFake("above"), newFake("slow")
		slow.delay = time.Second
		slow.fail(errDown)
		log, logger := newLog()
		s := start(t, kongdata.Options{Sources: []kongdata.Source{above, slow}, Log: logger})
		want := func(when string, n int) {
			t.Helper()
			if got := s.Failing(); !slices.Equal(got, []int{0, n}) {
				t.Errorf("%s: %v, want [0 %d]", when, got, n)
			}
		}
		set := s.Want([]string{uuid(1)})
		time.Sleep(500 * time.Millisecond)
		set.Release()
		time.Sleep(time.Minute)
		want("released while it was asked for", 0)
		if n := log.count("does not answer"); n != 0 {
			t.Errorf("%d lines of what nobody wants", n)
		}
		set = s.Want([]string{uuid(2)})
		set.Wait(t.Context())
		want("down", 1)
		if n := log.count("does not answer"); n != 1 {
			t.Errorf("%d lines of the next first failure, want 1:\n%s", n, log)
		}
		above.set(uuid(2), pemOf("two"))
		time.Sleep(time.Minute)
		want("taken over", 0)
		above.set(uuid(2), "")
		time.Sleep(time.Minute)
		want("down again", 1)
		set.Release()
		want("released", 0)
	})
}

// A missing id is asked for soon again when a new configuration names it, and
// then after growing pauses from the first on.
func TestWantBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFake("a")
		s := start(t, kongdata.Options{Sources: []kongdata.Source{a}, Refresh: time.Minute})
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
		s := start(t, kongdata.Options{Sources: []kongdata.Source{a}, Refresh: time.Minute})
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
	look, ask, consumer atomic.Bool
	mu                  sync.Mutex
	forced              []bool
}

func (p *panickingSource) Refresh(ctx context.Context, force bool) {
	p.mu.Lock()
	p.forced = append(p.forced, force)
	p.mu.Unlock()
	if p.look.Load() {
		panic("in a look")
	}
	p.consumerFake.Refresh(ctx, force)
}

func (p *panickingSource) CACertificate(ctx context.Context, id string) (string, error) {
	if p.ask.Load() {
		panic("in a question")
	}
	return p.consumerFake.CACertificate(ctx, id)
}

func (p *panickingSource) Consumer(ctx context.Context, by kongdata.Field, value string) (kongdata.Consumer, error) {
	if p.consumer.Load() {
		panic("in a lookup")
	}
	return p.consumerFake.Consumer(ctx, by, value)
}

// A panic is a source that is down, not the end of the process.
func TestPanics(t *testing.T) {
	for _, where := range []string{"look", "question", "lookup"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := &panickingSource{consumerFake: newConsumerFake("src")}
				flag := map[string]*atomic.Bool{"look": &source.look, "question": &source.ask, "lookup": &source.consumer}[where]
				source.set(uuid(1), pemOf("one"))
				source.consumers["username=x"] = kongdata.Consumer{ID: uuid(9), Username: "x"}
				log, logger := newLog()
				s := start(t, kongdata.Options{Sources: []kongdata.Source{source}, Log: logger})
				set := s.Want([]string{uuid(1)})
				wantNames(t, "before", set.Wait(t.Context()), "one/")
				flag.Store(true)
				source.set(uuid(1), pemOf("two"))
				for range 330 {
					time.Sleep(time.Second)
					if where == "lookup" {
						if _, err := s.Consumer(t.Context(), kongdata.ByUsername, "x"); err == nil {
							t.Fatal("a lookup that panicked has an answer")
						}
					}
				}
				if where != "lookup" {
					wantNames(t, "what was known stays", set.Snapshot(), "one/")
				}
				if _, err := s.Consumer(t.Context(), kongdata.ByUsername, "y"); where == "look" && (err == nil || errors.Is(err, kongdata.ErrNotFound)) {
					t.Errorf("somebody who was not known: got %v", err)
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
				wantLookup(t, s, kongdata.ByUsername, "x", "x")
				if where == "look" && !slices.Contains(source.forced, true) {
					t.Error("after a panic not everything is read again")
				}
			})
		})
	}
}

// An answer that nobody wants does not hold a place however slowly it goes on.
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
	s, _ := openAdmin(t, kongdata.Config{AdminURL: server.URL}, lower)
	began := time.Now()
	wantNames(t, "", s.Want([]string{uuid(1)}).Wait(t.Context()), "one/")
	if took := time.Since(began); took > time.Second {
		t.Errorf("waited %v", took)
	}
}

// After some exchanges without an answer the rest of a round is not tried.
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
	for range 2 {
		asked.Store(0)
		sources[0].(kongdata.Refresher).Refresh(t.Context(), false)
		for i := range 20 {
			if _, err := sources[0].CACertificate(t.Context(), uuid(i)); err == nil {
				t.Fatal("got no error")
			}
		}
		if n := asked.Load(); n != 3 {
			t.Errorf("asked %d times in a round, want 3", n)
		}
	}
}

// An answer between them shows that the Admin API is there.
func TestUnansweredInARow(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1)%3 == 0 {
			http.NotFound(w, r)
			return
		}
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	server.Config.SetKeepAlivesEnabled(false) // a connection that breaks is asked again
	sources, err := kongdata.Open(kongdata.Config{AdminURL: server.URL}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	sources[0].(kongdata.Refresher).Refresh(t.Context(), false)
	for i := range 12 {
		sources[0].CACertificate(t.Context(), uuid(i))
	}
	if n := asked.Load(); n != 12 {
		t.Errorf("asked %d times, want 12", n)
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
	for listen, pins := range map[string]int{
		"127.0.0.1:8444 ssl": 1, "0.0.0.0:8444 ssl": 1, "[::1]:8444 ssl": 1, "localhost:8444 ssl": 1,
		"192.0.2.1:8444 ssl": 0, "kong.example:8444 ssl": 0, "127.0.0.1:8001": 0,
	} {
		env, err := kongenv.Parse([]byte(envOf("admin_listen = "+listen, "admin_ssl_cert = /a.crt")))
		if err != nil {
			t.Fatal(err)
		}
		if got := kongdata.KongEnvPins("/kong", env); got != pins {
			t.Errorf("%s: %d pins, want %d", listen, got, pins)
		}
	}
}

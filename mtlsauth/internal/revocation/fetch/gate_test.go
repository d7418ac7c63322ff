package fetch_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/fetch"
)

// TestSlowHost: a host that answers nobody holds a bounded number of
// connections, holds up nobody else, and who waits in vain is told that it was
// our bound.
func TestSlowHost(t *testing.T) {
	held := make(chan struct{})
	slow, n := serveCounting(t, func(w http.ResponseWriter, r *http.Request) {
		<-held
		io.WriteString(w, "at last")
	})
	other := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "at once") })
	c := newClient(t, fetch.Options{})
	var waiting sync.WaitGroup
	var answered atomic.Int32
	for range fetch.MaxPerHost + 10 {
		waiting.Go(func() {
			if _, content, err := do(t, c, fetch.Request{URL: slow}, fetch.How{}); err != nil || content != "at last" {
				t.Errorf("got %q, %v", content, err)
				return
			}
			answered.Add(1)
		})
	}
	eventually(t, "the host is full", func() bool { return n.open.Load() == fetch.MaxPerHost })

	wantKind(t, "the next one", read(within(t, short), c, slow, fetch.How{}), fetch.Busy)
	ctx, cancel := context.WithCancel(soon(t))
	time.AfterFunc(short, cancel)
	wantKind(t, "one that gives up", read(ctx, c, slow, fetch.How{}), fetch.Canceled)
	if open := n.open.Load(); open != fetch.MaxPerHost {
		t.Errorf("got %d connections, want %d", open, fetch.MaxPerHost)
	}
	for _, request := range []struct {
		url string
		how fetch.How
	}{
		{other.URL, fetch.How{}},
		// By another way the same host is another.
		{slow, fetch.How{HTTPProxy: strings.TrimPrefix(other.URL, "http://")}},
	} {
		if _, content, err := do(t, c, fetch.Request{URL: request.url}, request.how); err != nil || content != "at once" {
			t.Errorf("%v: got %q, %v", request, content, err)
		}
	}
	close(held)
	waiting.Wait()
	if got := answered.Load(); got != fetch.MaxPerHost+10 {
		t.Errorf("%d were answered, want %d", got, fetch.MaxPerHost+10)
	}
	if c.Gates() != 0 {
		t.Errorf("%d hosts are still counted", c.Gates())
	}
}

// TestRedirectHoldsOnePlace: a redirect leaves the host it comes from, or hosts
// that redirect to each other could wait for each other.
func TestRedirectHoldsOnePlace(t *testing.T) {
	var a, b string
	var asked atomic.Int32
	to := func(there *string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			if r.URL.Path == "/" {
				time.Sleep(10 * time.Millisecond) // so that all are under way at once
				http.Redirect(w, r, *there+"/end", http.StatusFound)
			}
		}
	}
	a, b = serve(t, to(&b)).URL, serve(t, to(&a)).URL
	c := newClient(t, fetch.Options{})
	var all sync.WaitGroup
	for i := range 4 * fetch.MaxPerHost {
		all.Go(func() {
			if _, err := get(t, c, []string{a, b}[i%2]+"/"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := asked.Load(); got != 8*fetch.MaxPerHost {
		t.Errorf("got %d requests, want %d", got, 8*fetch.MaxPerHost)
	}
}

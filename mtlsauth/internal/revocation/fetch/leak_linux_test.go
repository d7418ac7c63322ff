package fetch_test

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// TestNothingLeft: thousands of exchanges, most of which go wrong in some way,
// leave no goroutine and no descriptor behind, and while they last those are
// bounded. It runs alone.
func TestNothingLeft(t *testing.T) {
	// net opens its own for good at the first use.
	goroutines, files := runtime.NumGoroutine(), 0
	t.Run("exchanges", func(t *testing.T) {
		ca := pki.NewCA("web")
		handler := func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/large":
				io.WriteString(w, strings.Repeat("x", limit+1))
			case "/gone":
				w.WriteHeader(http.StatusGone)
				io.WriteString(w, strings.Repeat("x", limit))
			case "/loop":
				http.Redirect(w, r, "/loop", http.StatusFound)
			case "/stray":
				http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
			case "/slow":
				<-r.Context().Done()
			case "/abort":
				panic(http.ErrAbortHandler)
			default:
				io.WriteString(w, "an answer")
			}
		}
		plain, secure := serve(t, handler), serveTLS(t, ca, handler)
		kong := serve(t, unasked(t))
		silent := answering(t, func(conn net.Conn) { io.Copy(io.Discard, conn) })
		gone := serve(t, handler)
		gone.Close()
		c := newClient(t, fetch.Options{Roots: pool(ca), OwnListeners: func() []netip.AddrPort { return []netip.AddrPort{addrPort(t, kong)} }})
		files = descriptors(t)

		var urls []string
		for _, path := range []string{"/", "/large", "/gone", "/loop", "/stray", "/abort", "/slow"} {
			urls = append(urls, plain.URL+path)
		}
		urls = append(urls, secure.URL, secure.URL+"/slow", "https://"+silent, gone.URL, kong.URL, "http://169.254.169.254")
		most := 0
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				for j := range 50 {
					url := urls[(i+j)%len(urls)]
					patience := 5 * time.Second
					if strings.HasSuffix(url, "/slow") || strings.HasSuffix(url, silent) {
						patience = 10 * time.Millisecond
					}
					how := fetch.How{SSLVerify: j%3 > 0}
					if j%25 == 0 {
						how.HTTPSProxy = "127.0.0.1:" + strconv.Itoa(1+i)
					}
					response, err := c.Do(within(t, patience), fetch.Request{URL: url}, how, limit)
					if err != nil {
						continue
					}
					if j%5 > 0 {
						io.Copy(io.Discard, response.Body)
					}
					response.Body.Close()
				}
				mu.Lock()
				defer mu.Unlock()
				most = max(most, descriptors(t))
			})
		}
		all.Wait()
		// Both ends are in this process: 40 exchanges, and what is kept.
		if bound := files + 2*(40+3*fetch.MaxIdle) + 100; most > bound {
			t.Errorf("got %d descriptors, want at most %d", most, bound)
		}
		c.CloseIdleConnections()
		eventually(t, "no descriptor is left", func() bool { return descriptors(t) <= files })
	})
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
}

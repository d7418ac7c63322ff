package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/fetch"
)

// blackhole is an address at 127.0.0.1 or the like where a connection is
// neither made nor refused: a listener that accepts nothing, with a full queue.
func blackhole(t *testing.T, ip [4]byte, port int) int {
	t.Helper()
	socket := func() int {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { syscall.Close(fd) })
		return fd
	}
	fd := socket()
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: ip, Port: port}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port = bound.(*syscall.SockaddrInet4).Port
	for range 4 {
		if err := syscall.Connect(socket(), &syscall.SockaddrInet4{Addr: ip, Port: port}); err != nil && !errors.Is(err, syscall.EINPROGRESS) {
			t.Fatal(err)
		}
	}
	return port
}

func TestStalledDial(t *testing.T) {
	t.Parallel()
	addr := fmt.Sprintf("127.0.0.1:%d", blackhole(t, [4]byte{127, 0, 0, 1}, 0))
	for _, test := range []struct {
		name, url string
		how       fetch.How
	}{
		{"http", "http://" + addr, fetch.How{}},
		{"https", "https://" + addr, fetch.How{}},
		{"http proxy", "http://ocsp.invalid", fetch.How{HTTPProxy: addr}},
		{"https proxy", "https://ocsp.invalid", fetch.How{HTTPSProxy: addr}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, fetch.Options{})
			started := time.Now()
			err := read(within(t, short), c, test.url, test.how)
			wantKind(t, "deadline", err, fetch.Connect)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			ctx, cancel := context.WithCancel(soon(t))
			time.AfterFunc(short, cancel)
			wantKind(t, "canceled", read(ctx, c, test.url, test.how), fetch.Canceled)
			if took := time.Since(started); took < 2*short || took > late {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestStalledAddress: a name with an address that is not to be reached and one
// that is gets an answer before the deadline, which the addresses share. Below
// 2 s to each, net does not share it out.
func TestStalledAddress(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: with -short none waits for a connection that is not made")
	}
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "an answer") })
	blackhole(t, [4]byte{127, 0, 0, 3}, int(addrPort(t, s).Port()))
	c := newClient(t, fetch.Options{})
	c.UseResolver(dns(t, func(string) []string { return []string{"127.0.0.3", "127.0.0.1"} }))
	started := time.Now()
	if err := read(within(t, 8*time.Second), c, named(t, "ocsp.test", s), fetch.How{}); err != nil {
		t.Error(err)
	}
	if took := time.Since(started); took < time.Second {
		t.Errorf("it took %v: the first address was not tried", took)
	}
}

// TestStalledResolver: a DNS server that does not answer.
func TestStalledResolver(t *testing.T) {
	t.Parallel()
	c := newClient(t, fetch.Options{})
	forever := make(chan struct{})
	t.Cleanup(func() { close(forever) })
	c.UseResolver(dns(t, func(string) []string { <-forever; return nil }))
	err := read(within(t, short), c, "http://ocsp.test", fetch.How{})
	wantKind(t, "deadline", err, fetch.Connect)
}

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// load is requests in the background, each of which has one right answer.
type load struct {
	stop  atomic.Bool
	slow  atomic.Bool // pauses between requests: what is waited for does not depend on load
	wg    sync.WaitGroup
	wrong chan string

	mu       sync.Mutex
	statuses map[int]int // how many answers had which
}

// startLoad makes requests on so many connections until end: with a good, a
// bad and no certificate in turn. also lists further statuses that are no
// wrong answer.
func (r *rig) startLoad(connections int, path string, good, bad *pki.Certificate, also ...int) *load {
	return r.startLoadBut(connections, path, good, bad, func(_, got int) bool { return slices.Contains(also, got) })
}

// startLoadBut is startLoad where but says which statuses are no wrong answer either.
func (r *rig) startLoadBut(connections int, path string, good, bad *pki.Certificate, but func(want, got int) bool) *load {
	l := &load{wrong: make(chan string, 100), statuses: map[int]int{}}
	for i := range connections {
		cert, status := good, 200
		switch i % 3 {
		case 1:
			cert, status = bad, 401
		case 2:
			cert, status = nil, 401
		}
		c := r.client(cert)
		l.wg.Go(func() {
			for ; !l.stop.Load(); pause(l.slow.Load()) {
				a, err := fetch(c, r.URLTLS()+path)
				l.mu.Lock()
				l.statuses[a.status]++
				l.mu.Unlock()
				text := ""
				switch {
				case err != nil:
					text = err.Error()
				case a.status != status && !but(status, a.status):
					text = fmt.Sprintf("connection %d got %d %q, want %d", i, a.status, a.message, status)
				}
				if text != "" {
					select {
					case l.wrong <- text:
					default:
					}
				}
			}
		})
	}
	return l
}

// pause is between two requests of a client of a load that leaves the processors
// to others: with -short to the tests beside.
func pause(slow bool) {
	if slow || testing.Short() {
		time.Sleep(5 * time.Millisecond)
	}
}

// end stops the load and reports every wrong answer.
func (l *load) end(t *testing.T) {
	t.Helper()
	l.stop.Store(true)
	l.wg.Wait()
	close(l.wrong)
	for text := range l.wrong {
		t.Error(text)
	}
	if l.statuses[200] == 0 || l.statuses[401] == 0 {
		t.Error("no request passed, or none was refused")
	}
	t.Logf("answers by status: %v", l.statuses)
}

// times is how often something that takes Kong a while is done.
func times(fake, real int) int {
	switch {
	case os.Getenv(realkong.Variable) == "":
		return fake
	case testing.Short():
		return min(fake, real)
	}
	return real
}

func TestManyConnectionsAtOnce(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	r := newRig(t, cas{idA: root}, routes{"/echo": trusted([]string{idA})}, func(o *anykong.Options) { o.Workers = 2 })
	l := r.startLoad(32, "/echo", root.Client("client"), pki.NewCA("stranger").Client("client"))
	time.Sleep(3 * time.Second)
	l.end(t)
}

// eventually tries until ok or for thirty seconds, of which a loaded machine may
// need more than the contract's two -refresh periods of a second each.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Errorf("%s: not within 30 s", what)
}

// A46: a CA certificate is replaced under its id, then removed, with no restart.
func TestACACertificateIsReplacedAndRemoved(t *testing.T) {
	t.Parallel()
	before, after, other := pki.NewCA("before"), pki.NewCA("after"), pki.NewCA("other")
	plugins := routes{"/echo": trusted([]string{idA, idB})}
	r := newRig(t, cas{idA: before, idB: other}, plugins)
	r.expect("before", r.get("/echo", before.Client("client")), 200, "")
	pid := r.Process().PID()

	if err := r.Configure(declarative(t, r.upstream, cas{idA: after, idB: other}, plugins)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new CA's client passes", func() bool { return r.get("/echo", after.Client("client")).status == 200 })
	r.expect("the old CA's client", r.get("/echo", before.Client("client")), 401, failed)

	if err := r.Configure(declarative(t, r.upstream, cas{idB: other}, plugins)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the removed CA's client is refused", func() bool { return r.get("/echo", after.Client("client")).status == 401 })
	r.expect("the other CA's client", r.get("/echo", other.Client("client")), 200, "")
	// Without an Admin API a new configuration is a reload.
	if now := r.Process().PID(); now != pid && r.AdminURL() != "" {
		t.Errorf("the plugin server was restarted: pid %d, then %d", pid, now)
	}
}

// A source that is down is not one that has nothing: what was known stays.
func TestAnAdminAPIThatGoesAway(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	r := newRig(t, cas{idA: root}, routes{"/echo": trusted([]string{idA})})
	r.expect("before", r.get("/echo", root.Client("client")), 200, "")
	// As when Kong's prefix is emptied under the server.
	if err := os.Remove(filepath.Join(r.prefix, ".kong_env")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second) // of refreshing every second
	r.expect("after", r.get("/echo", root.Client("another client")), 200, "")
}

// A48 and test 12: the plugin is patched under load.
func TestConfigurationsChangeUnderLoad(t *testing.T) {
	besideOthers(t)
	a, b := pki.NewCA("a"), pki.NewCA("b")
	authorities := cas{idA: a, idB: b}
	r := newRig(t, authorities, routes{"/echo": trusted([]string{idA}), "/changing": trusted([]string{idA})})
	l := r.startLoad(6, "/echo", a.Client("client"), b.Client("client"))
	ids := []string{idA, idB}
	for i := range times(20, 200) {
		plugins := routes{"/echo": trusted([]string{idA}), "/changing": trusted([]string{ids[i%2]})}
		if err := r.Configure(declarative(t, r.upstream, authorities, plugins)); err != nil {
			t.Fatal(err)
		}
		trusted, untrusted := a, b
		if i%2 == 1 {
			trusted, untrusted = b, a
		}
		// Kong answers POST /config a moment before its workers go by it.
		eventually(t, fmt.Sprintf("change %d: the other CA's client passes", i), func() bool {
			return r.get("/changing", trusted.Client("client")).status == 200
		})
		r.expect(fmt.Sprintf("change %d", i), r.get("/changing", untrusted.Client("client")), 401, failed)
	}
	l.end(t)
}

// Kong is reloaded: a new server takes the socket over, the old one is ended
// ten seconds later. No request is lost or judged wrongly.
func TestReloadsUnderLoad(t *testing.T) {
	besideOthers(t)
	reloads := times(50, 20)
	if testing.Short() {
		reloads = 5
	}
	const grace = 10 * time.Second // Kong's: with less, a request on a busy machine ends with its worker
	root := pki.NewCA("root")
	r := newRig(t, cas{idA: root}, routes{"/echo": trusted([]string{idA})}, func(o *anykong.Options) {
		o.Workers, o.ReloadGrace = 2, grace
	})
	l := r.startLoad(6, "/echo", root.Client("client"), pki.NewCA("stranger").Client("client"))
	for i := range reloads {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if err := r.Reload(ctx); err != nil {
			t.Fatalf("reload %d: %v", i, err)
		}
		cancel()
		time.Sleep(100 * time.Millisecond)
	}
	l.slow.Store(true)
	time.Sleep(grace + time.Second)
	l.end(t)
	for _, line := range r.Log().Lines() {
		if line.Level <= errlog.Error && !strings.Contains(line.Text, "reason=") && !ofAReload.MatchString(line.Text) {
			t.Errorf("Kong's log: [%v] %s", line.Level, line.Text)
		}
	}
}

// ofAReload is what a real Kong says of itself on the way: its workers lose each other and
// their clients, and read a file of the prefix while it is written; and before 3.8 it
// connects to a plugin server that it has just started until that listens.
var ofAReload = regexp.MustCompile(`event worker|recv\(\) failed|SSL_CTX_load_verify_locations|mtls-auth\.socket failed \(2: No such file`)

// A71: the server is killed. Until the next one listens, requests get 500;
// no request passes without a certificate, and no id comes to mean another
// configuration.
func TestTheServerIsKilled(t *testing.T) {
	besideOthers(t)
	a, b := pki.NewCA("a"), pki.NewCA("b")
	r := newRig(t, cas{idA: a, idB: b}, routes{"/a": trusted([]string{idA}), "/b": trusted([]string{idB})},
		func(o *anykong.Options) { o.Workers = 2 })
	onA := r.startLoad(4, "/a", a.Client("client"), b.Client("client"), 500)
	onB := r.startLoad(4, "/b", b.Client("client"), a.Client("client"), 500)
	time.Sleep(500 * time.Millisecond)
	for range times(4, 20) {
		// Kong waits a second from one start to the next: without it the gap
		// would be Kong's.
		time.Sleep(time.Duration(times(0, 1100)) * time.Millisecond)
		pid := r.Process().PID()
		r.Process().Kill()
		eventually(t, "the next server", func() bool { p := r.Process().PID(); return p != 0 && p != pid })
		eventually(t, "a request passes again", func() bool { return r.get("/a", a.Client("client")).status == 200 })
	}
	onA.end(t)
	onB.end(t)
	r.expect("in the end, on /a", r.get("/a", a.Client("client")), 200, "")
	r.expect("in the end, another CA's client on /a", r.get("/a", b.Client("client")), 401, failed)
	r.expect("in the end, on /b", r.get("/b", b.Client("client")), 200, "")
}

func TestTheServerEndsWhenItShould(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	for name, end := range map[string]func(r *rig){
		"SIGTERM": func(r *rig) { r.Process().Terminate() },
		"the end of stdin": func(r *rig) {
			s, ok := r.kong.(fake)
			if !ok {
				r.t.Skip("on the fake Kong only: the worker that would log the end is gone with its pipe")
			}
			s.Kong.Process().CloseStdin()
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, cas{idA: root}, routes{"/echo": trusted([]string{idA})})
			r.expect("before", r.get("/echo", root.Client("client")), 200, "")
			pid := r.Process().PID()
			end(r)
			eventually(t, "the process ends", func() bool { return syscall.Kill(pid, 0) != nil })
			eventually(t, "Kong sees its exit status", func() bool { return r.Log().Count(errlog.Notice, "terminated: exit 0") > 0 })
			// The socket's file stays for the next server.
			if _, err := os.Lstat(filepath.Join(r.prefix, "mtls-auth.socket")); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSIGHUPReadsTheSourcesAtOnce(t *testing.T) {
	t.Parallel()
	a, b := pki.NewCA("a"), pki.NewCA("b")
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, idA+".pem"), a.PEM())
	r := newRig(t, nil, routes{"/echo": trusted([]string{idA})}, flags("-refresh 1h -ca-dir "+dir))
	r.expect("before", r.get("/echo", a.Client("client")), 200, "")
	writeFile(t, filepath.Join(dir, idA+".new"), b.PEM())
	if err := os.Rename(filepath.Join(dir, idA+".new"), filepath.Join(dir, idA+".pem")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond)
	r.expect("an hour has not passed", r.get("/echo", b.Client("client")), 401, failed)
	if err := syscall.Kill(r.Process().PID(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new CA's client passes", func() bool { return r.get("/echo", b.Client("client")).status == 200 })
	r.expect("the old CA's client", r.get("/echo", a.Client("client")), 401, failed)
}

package pluginserver_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/pluginserver"
)

func TestListenReplacesWhatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.socket")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := pluginserver.Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	second, err := pluginserver.Listen(path, 0o660)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 || info.Mode().Type() != os.ModeSocket {
		t.Fatalf("the file is %v (%v), want a socket of mode 0660", info.Mode(), err)
	}
	// The old server's end must not take the new one's file with it.
	first.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("after the old server's end: %v", err)
	}
	defer c.Close()
	if _, err := second.Accept(); err != nil {
		t.Fatal(err)
	}
	second.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the socket's file is gone with the server: %v", err)
	}
	left, _ := filepath.Glob(path + ".*")
	if len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestListenSaysWhatIsWrong(t *testing.T) {
	_, err := pluginserver.Listen(filepath.Join(t.TempDir(), strings.Repeat("x", 100)), 0o600)
	if err == nil || !strings.Contains(err.Error(), "must have at most 107") {
		t.Errorf("a path that is too long: got %v, want the limit", err)
	}
	_, err = pluginserver.Listen("/proc/absent/x.socket", 0o600)
	if err == nil {
		t.Error("listening in a folder that is not there: no error")
	}
}

// serve serves a socket until the test ends; stop ends it earlier.
func serve(t *testing.T, path string) (stop func()) {
	t.Helper()
	l, err := pluginserver.Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	stdin, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		newServer(t, handler(passing), "").Run(l, stdin, func() {})
		close(ended)
	}()
	stop = sync.OnceFunc(func() {
		end.Close()
		<-ended
		stdin.Close()
	})
	t.Cleanup(stop)
	return stop
}

// answersWithin fails unless a server listens on the socket by then.
func answersWithin(t *testing.T, what, path string, most time.Duration) {
	t.Helper()
	var err error
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var c net.Conn
		if c, err = net.Dial("unix", path); err == nil {
			c.Close()
			return
		}
	}
	t.Errorf("%s: %v", what, err)
}

// A socket is never dead while a server lives, whichever of three ends.
func TestTheSocketIsNeverDeadWhileAServerLives(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for seconds")
	}
	path := filepath.Join(t.TempDir(), "x.socket")
	serve(t, path)
	second := serve(t, path)
	third := serve(t, path)
	third()
	answersWithin(t, "the third has ended", path, 3*time.Second)
	second()
	answersWithin(t, "the second has ended", path, 3*time.Second)
	// Kong before 3.8 removes the sockets in its prefix when it starts.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	answersWithin(t, "the file was removed", path, 3*time.Second)
	if err := os.WriteFile(path+".new", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	answersWithin(t, "another file is in its place", path, 3*time.Second)
}

// A server whose queue of connections is full lives: its socket is not taken from it.
func TestAFullQueueIsNotDead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.socket")
	l, err := pluginserver.Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if l.OwnedByAnother() {
		t.Fatal("its own socket is another's")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if l.OwnedByAnother() {
		t.Error("a socket that does not listen is alive")
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for {
		c, err := net.Dial("unix", path)
		if errors.Is(err, syscall.EAGAIN) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if !l.OwnedByAnother() {
		t.Error("a server whose queue is full is dead")
	}
}

// Connections to a server whose socket is another's end between calls. One that Kong has
// just opened is not ended before its first call, which Kong would not repeat.
func TestConnectionsMoveToTheServerThatTookTheSocket(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: with -short none waits for seconds")
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.socket")
	serve(t, path)
	dial := func() kong {
		c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return kong{t, c}
	}
	used, opened := dial(), dial()
	used.startInstance("{}")
	used.SetReadDeadline(time.Now().Add(1500 * time.Millisecond))
	if _, err := used.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("while the socket is its own: %v", err)
	}
	serve(t, path)
	used.SetReadDeadline(time.Now().Add(30 * time.Second))
	used.expectClosed()
	opened.startInstance("{}")
	opened.expectClosed()
}

// A server that was killed as it started leaves its socket beside the path; the next one
// removes it, and nothing else.
func TestSocketsOfKilledServersAreSwept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sweep.socket")
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	socket := func(name string) *net.UnixListener {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		return l
	}
	dead, ours := fmt.Sprintf("%s.%d", path, ended.Process.Pid), fmt.Sprintf("%s.%d", path, os.Getppid())
	socket(dead).Close()
	defer socket(ours).Close()
	for _, name := range []string{".ids", ".0"} {
		if err := os.WriteFile(path+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := pluginserver.Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := os.Lstat(dead); !os.IsNotExist(err) {
		t.Errorf("the socket of a process that has ended: %v, want none", err)
	}
	for _, name := range []string{ours, path + ".ids", path + ".0", path} {
		if _, err := os.Lstat(name); err != nil {
			t.Error(err)
		}
	}
}

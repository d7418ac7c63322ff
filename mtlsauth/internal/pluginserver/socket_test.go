package pluginserver_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	if err == nil || !strings.Contains(err.Error(), "at most 107 are allowed") {
		t.Errorf("a path that is too long: got %v, want what is allowed", err)
	}
	_, err = pluginserver.Listen("/proc/absent/x.socket", 0o600)
	if err == nil {
		t.Error("listening in a folder that is not there: no error")
	}
}

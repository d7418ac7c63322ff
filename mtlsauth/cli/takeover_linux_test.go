package cli_test

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/cli"
)

// A server that is started by hand does not take the socket of Kong's.
func TestOnATerminalAServerThatAnswersIsKept(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("SKIPPED: this machine gives no terminal: ", err)
	}
	defer terminal.Close()
	prefix := t.TempDir()
	socket := filepath.Join(prefix, "mtls-auth.socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	before, err := os.Lstat(socket)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	code := cli.Run([]string{"mtls-auth", "-kong-prefix", prefix}, terminal, &stdout, &stderr)
	if want := "a server (pid " + strconv.Itoa(os.Getpid()) + ") answers on " + socket + ": -take-over replaces it"; code != 1 || !strings.Contains(stderr.String(), want) {
		t.Errorf("exit %d, stderr %q, want %q", code, stderr.String(), want)
	}
	if after, err := os.Lstat(socket); err != nil || !os.SameFile(before, after) {
		t.Errorf("the socket is another: %v", err)
	}
}

package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

// manyMappings is a file of -credentials with so many of them.
func manyMappings(n int) string {
	var text bytes.Buffer
	text.WriteString("_format_version: \"3.0\"\nconsumers:\n- username: mapped\n  mtls_auth_credentials:\n")
	for i := range n {
		fmt.Fprintf(&text, "  - subject_name: mapped%d.example\n", i)
	}
	return text.String()
}

// process is the program as Kong starts it.
type process struct {
	*exec.Cmd
	stdin *os.File
	out   *bytes.Buffer
	tb    testing.TB
}

// startProgram starts the program with an environment, nil for an empty one, and
// ends it with the test.
func startProgram(tb testing.TB, prefix string, environment []string, flags ...string) *process {
	tb.Helper()
	in, stdin, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	defer in.Close()
	p := &process{Cmd: exec.Command(program(tb), append([]string{"-kong-prefix", prefix}, flags...)...), stdin: stdin, out: new(bytes.Buffer), tb: tb}
	p.Env = append([]string{}, environment...)
	p.Stdin, p.Stdout, p.Stderr = in, p.out, p.out
	if err := p.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.end)
	return p
}

// end ends the program as when Kong's worker ends. A second call does nothing.
func (p *process) end() {
	p.stdin.Close()
	if p.ProcessState == nil {
		if err := p.Wait(); err != nil {
			p.tb.Errorf("the program: %v\n%s", err, p.out)
		}
	}
}

// awaitAccept returns when connections to the socket are accepted.
func awaitAccept(tb testing.TB, socket string) {
	tb.Helper()
	for begin := time.Now(); time.Since(begin) < 10*time.Second; time.Sleep(200 * time.Microsecond) {
		if c, err := net.Dial("unix", socket); err == nil {
			c.Close()
			return
		}
	}
	tb.Fatalf("no server accepts on %s", socket)
}

package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// When Kong's worker 0 is killed, the server loses its stdin and the reader of
// what it prints at the same moment. The events of the other workers finish.
func TestAnOrphanDrains(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	prefix := t.TempDir()
	writeFile(t, filepath.Join(prefix, idA+".pem"), root.PEM())
	stdin, kongsStdin, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	kongsOutput, output, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program(t), "-kong-prefix", prefix, "-ca-dir", prefix)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stdin.Close()
	output.Close()
	t.Cleanup(func() { cmd.Process.Kill() })
	socket := awaitSocket(t, filepath.Join(prefix, "mtls-auth.socket"))

	client := rpc.New(rpc.Options{Socket: socket, Plugin: "mtls-auth"})
	defer client.Close()
	fields := trusted([]string{idA})
	fields["__plugin_id"] = "1"
	config, err := client.Load(fields)
	if err != nil {
		t.Fatal(err)
	}
	asked, answer := make(chan struct{}), make(chan struct{})
	leaf := root.Client("client").PEM()
	request := &rpc.Request{
		Var: func(name string) string {
			if name != "ssl_client_raw_cert" {
				return ""
			}
			close(asked)
			<-answer
			return leaf
		},
		Header: http.Header{}, Shared: map[string]any{}, Ctx: map[string]any{},
	}
	done := make(chan struct{})
	go func() {
		client.Access(request, config)
		request.End()
		close(done)
	}()
	<-asked
	kongsOutput.Close()
	kongsStdin.Close()
	time.Sleep(200 * time.Millisecond)
	close(answer)
	<-done
	if request.Exit != nil || request.Ctx["CLIENT_VERIFY_OVERRIDE"] != "SUCCESS" {
		t.Errorf("the event that was running got %+v, want a pass", request.Exit)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the server ended with %v, want exit 0", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the server goes on")
	}
}

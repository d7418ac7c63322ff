package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// judgeByFolder has a process of the program judge what a client sends, as PEM,
// in STRICT mode: the trust anchor is all that -ca-dir has, the CRLs are all that
// -crl-dir has. It returns passed, or the reason of the refusal.
func judgeByFolder(t *testing.T, anchor string, crls map[string]string, leaf, chain string) string {
	t.Helper()
	dir := t.TempDir()
	caDir, crlDir := filepath.Join(dir, "cas"), filepath.Join(dir, "crls")
	for _, made := range []string{caDir, crlDir} {
		if err := os.Mkdir(made, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(caDir, idA+".pem"), anchor)
	for name, text := range crls {
		writeFile(t, filepath.Join(crlDir, name), text)
	}
	server := exec.Command(program(t), "-kong-prefix", dir, "-ca-dir", caDir, "-crl-dir", crlDir)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		server.Process.Kill()
		server.Wait()
	}()
	r := &rig{t: t, socket: awaitSocket(t, filepath.Join(dir, "mtls-auth.socket"))}
	got := r.made(t, leaf, chain, checked("STRICT"))
	verdict, _ := got.Ctx["CLIENT_VERIFY_OVERRIDE"].(string)
	reason, refused := strings.CutPrefix(verdict, "FAILED:")
	switch {
	case got.Exit == nil && verdict == "SUCCESS":
		return "passed"
	case got.Exit != nil && got.Exit.Status == 401 && refused:
		return reason
	}
	t.Fatalf("neither a pass nor a 401: %+v, %q", got.Exit, verdict)
	return ""
}

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/cli"
)

// judgeByFolder has a process of the program judge what a client sends, as PEM,
// in STRICT mode with changes: the trust anchor is all that -ca-dir has, the CRLs are all
// that -crl-dir has. It returns passed, or the reason of the refusal.
func judgeByFolder(t *testing.T, anchor string, crls map[string]string, leaf, chain string, change ...object) string {
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
	config := checked("STRICT", change...)
	got := r.made(t, leaf, chain, config)
	verdict, _ := got.Ctx["CLIENT_VERIFY_OVERRIDE"].(string)
	reason, refused := strings.CutPrefix(verdict, "FAILED:")
	switch {
	case got.Exit == nil && verdict == "SUCCESS":
		reason = "passed"
		fallthrough
	case got.Exit != nil && got.Exit.Status == 401 && refused:
		if explained := explainByFolder(t, anchor, crlDir, leaf, chain, config); explained != reason {
			t.Errorf("the server says %s, verify %s", reason, explained)
		}
		return reason
	}
	t.Fatalf("neither a pass nor a 401: %+v, %q", got.Exit, verdict)
	return ""
}

// explainByFolder is judgeByFolder by the command verify: the same reason.
func explainByFolder(t *testing.T, anchor, crlDir, leaf, chain string, config object) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"ca.pem": anchor, "leaf.pem": leaf, "chain.pem": chain} {
		writeFile(t, filepath.Join(dir, name), text)
	}
	kong, err := json.Marshal(object{
		"_format_version": "3.0", "ca_certificates": []object{{"id": idA, "cert": anchor}},
		"plugins": []object{{"name": "mtls-auth", "config": config}},
	})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "kong.json"), string(kong))
	var out, wrong strings.Builder
	code := cli.Run([]string{"mtls-auth", "verify", "-json", "-cert", filepath.Join(dir, "leaf.pem"), "-chain", filepath.Join(dir, "chain.pem"),
		"-config", filepath.Join(dir, "kong.json"), "-crl-dir", crlDir}, nil, &out, &wrong)
	var report struct{ Verdict, Reason string }
	if err := json.Unmarshal([]byte(out.String()), &report); err != nil || (code == 0) != (report.Verdict == "pass") {
		t.Fatalf("verify: exit %d, %v: %s%s", code, err, &out, &wrong)
	}
	return report.Reason
}

package e2e

import (
	"encoding/json"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// suite returns the folder of a third-party suite, which lies beside the
// repository. Without it the test is skipped.
func suite(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
	folder := filepath.Join(dir, "..", "shared", "suites", name)
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("SUITE NOT RUN: %s is absent, so the program goes without its third-party vectors", folder)
	}
	return folder
}

// pkitsDeviations are vectors that are refused although they are valid.
var pkitsDeviations = map[string]string{
	"4.1.4":   "DSA is not supported",
	"4.1.5":   "DSA is not supported",
	"4.3.3":   "names are chained byte for byte",
	"4.3.4":   "names are chained byte for byte",
	"4.3.5":   "names are chained byte for byte",
	"4.3.10":  "names are chained byte for byte",
	"4.3.11":  "names are chained byte for byte",
	"4.6.8":   "a CA certificate that is no configured trust anchor is no client's",
	"4.6.14":  "a CA certificate that is no configured trust anchor is no client's",
	"4.14.5":  "crypto/x509 cannot parse a distribution point named relative to its issuer",
	"4.14.29": "crypto/x509 cannot parse a distribution point named relative to its issuer",
}

// pkitsReasons are those of vectors that hang on their CRLs: a refusal for
// another one would be right by chance.
var pkitsReasons = map[string]string{
	"4.4.1": "status_unknown", "4.4.2": "revoked", "4.4.3": "revoked", "4.4.5": "status_unknown", "4.4.6": "status_unknown",
	"4.4.8": "status_unknown", "4.4.9": "status_unknown", "4.4.11": "status_unknown", "4.4.12": "status_unknown",
	"4.5.2": "revoked", "4.5.7": "revoked", "4.7.4": "status_unknown", "4.7.5": "status_unknown",
	"4.14.8": "status_unknown", "4.14.9": "status_unknown", "4.14.12": "status_unknown", "4.14.14": "status_unknown",
	"4.14.15": "revoked", "4.14.17": "status_unknown", "4.14.20": "revoked", "4.14.21": "revoked", "4.14.23": "revoked",
	"4.14.26": "status_unknown", "4.14.32": "revoked", "4.14.34": "revoked",
	"4.15.1": "status_unknown", "4.15.4": "revoked", "4.15.9": "revoked", "4.15.10": "status_unknown",
}

// pkitsVector is a vector in the suite's vectors.json.
type pkitsVector struct {
	Name                                                                        string
	CertPath, CRLPath                                                           []string
	ShouldValidate                                                              bool
	InitialPolicySet                                                            []string
	InitialPolicyMappingInhibit, InitialExplicitPolicy, InitialAnyPolicyInhibit bool
}

// TestPKITS has the program judge each vector in STRICT mode, in a process of
// its own: the vector's CRLs are all that -crl-dir has, its first certificate is
// the trust anchor, and the client sends the rest.
func TestPKITS(t *testing.T) {
	folder := suite(t, "pkits")
	data, err := os.ReadFile(filepath.Join(folder, "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var vectors []pkitsVector
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	program(t)

	counted := map[string]int{}
	var mu sync.Mutex
	t.Run("vectors", func(t *testing.T) {
		for _, v := range vectors {
			if v.InitialPolicyMappingInhibit || v.InitialExplicitPolicy || v.InitialAnyPolicyInhibit || !slices.Equal(v.InitialPolicySet, []string{"anyPolicy"}) {
				mu.Lock()
				counted["not applicable: another initial policy than any"]++
				mu.Unlock()
				continue
			}
			t.Run(v.Name, func(t *testing.T) {
				t.Parallel()
				what := comparePKITS(t, v, judgePKITS(t, folder, v))
				mu.Lock()
				defer mu.Unlock()
				counted[what]++
			})
		}
	})
	t.Logf("%d vectors: %v", len(vectors), counted)
}

// comparePKITS says what a verdict is to be counted as.
func comparePKITS(t *testing.T, v pkitsVector, got string) string {
	id, _, _ := strings.Cut(v.Name, " ")
	if want, listed := pkitsReasons[id]; listed && got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	reason, deviates := pkitsDeviations[id]
	switch passed := got == "passed"; {
	case passed && !v.ShouldValidate:
		t.Error("it passes and should not")
		return "FALSE ACCEPT"
	case passed && deviates:
		t.Errorf("it passes, but is listed as refused (%s)", reason)
	case !passed && v.ShouldValidate && deviates:
		t.Logf("false reject: %s: %s", got, reason)
		return "false reject, as listed"
	case !passed && v.ShouldValidate:
		t.Errorf("it is valid, and refused: %s", got)
		return "FALSE REJECT"
	}
	return "right: " + got
}

// judgePKITS returns passed, or the reason of the refusal.
func judgePKITS(t *testing.T, folder string, v pkitsVector) string {
	t.Helper()
	dir := t.TempDir()
	cas, crls := filepath.Join(dir, "cas"), filepath.Join(dir, "crls")
	var chain []string
	for _, name := range v.CertPath {
		der, err := os.ReadFile(filepath.Join(folder, "certs", name))
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	}
	for _, made := range []string{cas, crls} {
		if err := os.Mkdir(made, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(cas, idA+".pem"), chain[0])
	for _, name := range v.CRLPath {
		der, err := os.ReadFile(filepath.Join(folder, "crls", name))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(crls, name), string(der))
	}
	server := exec.Command(program(t), "-kong-prefix", dir, "-ca-dir", cas, "-crl-dir", crls)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		server.Process.Kill()
		server.Wait()
	}()
	r := &rig{t: t, socket: awaitSocket(t, filepath.Join(dir, "mtls-auth.socket"))}
	last := len(chain) - 1
	got := r.made(t, chain[last], strings.Join(chain[1:last], ""), checked("STRICT"))
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

package e2e

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/suites"
)

// pkitsReasons are those of vectors that hang on their CRLs: a refusal for
// another one would be right by chance.
var pkitsReasons = map[string]string{
	"4.4.1": "status_unknown", "4.4.2": "revoked", "4.4.3": "revoked", "4.4.5": "status_unknown", "4.4.6": "status_unknown",
	"4.4.8": "revoked", "4.4.9": "revoked", "4.4.11": "status_unknown", "4.4.12": "status_unknown",
	"4.5.2": "revoked", "4.5.7": "revoked", "4.7.4": "status_unknown", "4.7.5": "status_unknown",
	"4.14.8": "status_unknown", "4.14.9": "status_unknown", "4.14.12": "status_unknown", "4.14.14": "status_unknown",
	"4.14.15": "revoked", "4.14.17": "status_unknown", "4.14.20": "revoked", "4.14.21": "revoked", "4.14.23": "revoked",
	"4.14.26": "status_unknown", "4.14.32": "revoked", "4.14.34": "revoked",
	"4.15.1": "status_unknown", "4.15.4": "revoked", "4.15.9": "revoked", "4.15.10": "status_unknown",
}

// TestPKITS has the program judge each vector in STRICT mode, in a process of
// its own: the vector's CRLs are all that -crl-dir has, its first certificate is
// the trust anchor, and the client sends the rest. With -short it is only those vectors
// that hang on their CRLs.
func TestPKITS(t *testing.T) {
	t.Parallel()
	once(t)
	folder := suites.Folder(t, "pkits", "the program goes")
	vectors, err := suites.ReadPKITS(folder)
	if err != nil {
		t.Fatal(err)
	}
	program(t)

	counted := map[string]int{}
	var mu sync.Mutex
	t.Run("vectors", func(t *testing.T) {
		for _, v := range vectors {
			if id, _, _ := strings.Cut(v.Name, " "); testing.Short() && pkitsReasons[id] == "" {
				continue // certpath and crl judge all of them
			}
			policies, applies := v.RequiredPolicies()
			if !applies {
				mu.Lock()
				counted["not applicable: there is no setting for initial-policy-mapping-inhibit and initial-any-policy-inhibit"]++
				mu.Unlock()
				continue
			}
			t.Run(v.Name, func(t *testing.T) {
				t.Parallel()
				what := comparePKITS(t, v, judgePKITS(t, folder, v, policies))
				mu.Lock()
				defer mu.Unlock()
				counted[what]++
				if len(policies) > 0 {
					counted["… with required_policies"]++
				}
			})
		}
	})
	t.Logf("%d vectors: %v", len(vectors), counted)
}

// comparePKITS says what a verdict is to be counted as.
func comparePKITS(t *testing.T, v suites.PKITS, got string) string {
	id, _, _ := strings.Cut(v.Name, " ")
	if want, listed := pkitsReasons[id]; listed && got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	reason, deviates := suites.PKITSDeviations[id]
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
func judgePKITS(t *testing.T, folder string, v suites.PKITS, policies []string) string {
	t.Helper()
	read := func(kind, name string) []byte {
		der, err := os.ReadFile(filepath.Join(folder, kind, name))
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	var chain []string
	for _, name := range v.CertPath {
		chain = append(chain, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: read("certs", name)})))
	}
	crls := map[string]string{}
	for _, name := range v.CRLPath {
		crls[name] = string(read("crls", name))
	}
	last := len(chain) - 1
	config := object{}
	if len(policies) > 0 {
		config["required_policies"] = policies
	}
	return judgeByFolder(t, chain[0], crls, chain[last], strings.Join(chain[1:last], ""), config)
}

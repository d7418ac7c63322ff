package certpath_test

import (
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/testing/suites"
)

// TestEachRequiredPolicy compares with OpenSSL what the paths of PKITS, sections 4.8 to
// 4.12, are worth for each of their policies, with an explicit policy required.
func TestEachRequiredPolicy(t *testing.T) {
	if testing.Short() {
		t.Skip("starts OpenSSL some 500 times")
	}
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("NO OPENSSL HERE: what is required of policies goes without an oracle")
	}
	folder := suites.Folder(t, "pkits", "required policies go")
	section := regexp.MustCompile(`^4\.(8|9|10|11|12)\.`)
	now := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	seen := map[string]bool{}
	counted := map[bool]int{}
	vectors, err := suites.ReadPKITS(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		path := strings.Join(v.CertPath, " ")
		if !section.MatchString(v.Name) || seen[path] {
			continue
		}
		seen[path] = true
		files := pemFiles(t, filepath.Join(folder, "certs"), v.CertPath)
		for _, dotted := range append([]string{"2.5.29.32.0"}, testPolicies...) {
			id, ok := certificate.ParseOID(dotted)
			if !ok {
				t.Fatal(dotted)
			}
			err := validateFiles(t, filepath.Join(folder, "certs"), v.CertPath, certpath.Options{
				Now: now, Policies: certpath.PolicyInputs{Explicit: true, Initial: []certificate.OID{id}},
			})
			args := []string{"verify", "-attime", fmt.Sprint(now.Unix()), "-trusted", files[0], "-explicit_policy", "-policy", dotted}
			if len(files) > 2 {
				args = append(args, "-untrusted", files[1])
			}
			out, theirs := exec.Command(program, append(args, files[len(files)-1])...).CombinedOutput()
			counted[err == nil]++
			if (err == nil) != (theirs == nil) {
				t.Errorf("%s with %s: %v, OpenSSL says %v\n%s", v.Name, dotted, err, theirs, out)
			}
		}
	}
	if counted[true] < 50 || counted[false] < 200 {
		t.Errorf("%v are valid", counted)
	}
	t.Logf("%d paths: %v are valid", len(seen), counted)
}

var testPolicies = func() (all []string) {
	for i := 1; i <= 6; i++ {
		all = append(all, fmt.Sprint("2.16.840.1.101.3.2.1.48.", i))
	}
	return all
}()

// pemFiles writes a path of DER files as PEM: the trust anchor, what is between, and the
// client's.
func pemFiles(t *testing.T, folder string, path []string) (files []string) {
	t.Helper()
	dir := t.TempDir()
	parts := [][]string{path[:1], path[1 : len(path)-1], path[len(path)-1:]}
	for i, names := range parts {
		if len(names) == 0 {
			continue
		}
		var text []byte
		for _, name := range names {
			der, err := os.ReadFile(filepath.Join(folder, name))
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
		}
		file := filepath.Join(dir, fmt.Sprint(i, ".pem"))
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// Package suites finds third-party test vectors for the tests. They are not part
// of the repository: they lie beside it, in ../shared/suites, or are absent.
package suites

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Folder returns the folder of a suite. Without it the test is skipped, and says
// what goes without its vectors.
func Folder(t testing.TB, name, what string) string {
	t.Helper()
	folder, present := Find(t, name)
	if !present {
		t.Skipf("SUITE NOT RUN: %s is absent, so %s without third-party vectors", folder, what)
	}
	return folder
}

// Find returns where a suite lies, and whether it does.
func Find(t testing.TB, name string) (folder string, present bool) {
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
	folder = filepath.Join(dir, "..", "shared", "suites", name)
	_, err = os.Stat(folder)
	return folder, err == nil
}

// ReadJSON reads a file of a suite.
func ReadJSON(t testing.TB, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// PKITS is a vector of NIST's PKI Test Suite.
type PKITS struct {
	Name                        string
	CertPath, CRLPath           []string // names of files, the trust anchor first
	ShouldValidate              bool
	InitialPolicySet            []string
	InitialPolicyMappingInhibit bool
	InitialExplicitPolicy       bool
	InitialAnyPolicyInhibit     bool
}

// AnyPolicy reports a vector that asks for no certificate policy in particular.
func (v PKITS) AnyPolicy() bool {
	policies, applies := v.RequiredPolicies()
	return applies && policies == nil
}

// RequiredPolicies returns the OIDs of the vector's initial policy set, nil where it asks
// for none. It reports false for a vector whose other policy inputs are not the default:
// there is no setting for those. Where a vector restricts the set and requires no explicit
// policy, one that it calls valid is valid for a policy of the set all the same.
func (v PKITS) RequiredPolicies() (oids []string, applies bool) {
	if v.InitialPolicyMappingInhibit || v.InitialAnyPolicyInhibit {
		return nil, false
	}
	if !v.InitialExplicitPolicy && slices.Equal(v.InitialPolicySet, []string{"anyPolicy"}) {
		return nil, true
	}
	for _, name := range v.InitialPolicySet {
		oid := "2.5.29.32.0"
		if number, ok := strings.CutPrefix(name, "NIST-test-policy-"); ok {
			oid = "2.16.840.1.101.3.2.1.48." + number
		}
		oids = append(oids, oid)
	}
	return oids, true
}

// ReadPKITS returns the vectors of the suite in a folder.
func ReadPKITS(t testing.TB, folder string) []PKITS {
	t.Helper()
	var vectors []PKITS
	ReadJSON(t, filepath.Join(folder, "vectors.json"), &vectors)
	return vectors
}

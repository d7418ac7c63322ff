// Package suites finds third-party test vectors for the tests. They are not part
// of the repository: they lie beside it, in ../shared/suites, or are absent.
package suites

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
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

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Limbo is a case of x509-limbo for clients.
type Limbo struct {
	ID        string
	Trusted   []string `json:"trusted_certs"` // PEM, like those below
	Untrusted []string `json:"untrusted_intermediates"`
	Peer      string   `json:"peer_certificate"`
	CRLs      []string
	Expected  string `json:"expected_result"` // SUCCESS or FAILURE
	Time      string `json:"validation_time"`

	Now time.Time `json:"-"` // the time, or one at which the case is valid
	// Class says whether the case applies to a verifier of client certificates: see the
	// README of the suites.
	Class string `json:"-"`
}

// ReadLimbo returns the cases of the suite in a folder.
func ReadLimbo(folder string) ([]Limbo, error) {
	var limbo struct{ Testcases []Limbo }
	var classes map[string]struct{ Class string }
	if err := errors.Join(readJSON(filepath.Join(folder, "limbo-client.json"), &limbo), readJSON(filepath.Join(folder, "applicability.json"), &classes)); err != nil {
		return nil, err
	}
	for i := range limbo.Testcases {
		c := &limbo.Testcases[i]
		c.Class, c.Now = classes[c.ID].Class, time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
		if c.Time != "" {
			var err error
			if c.Now, err = time.Parse(time.RFC3339, c.Time); err != nil {
				return nil, err
			}
		}
	}
	return limbo.Testcases, nil
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
func ReadPKITS(folder string) ([]PKITS, error) {
	var vectors []PKITS
	err := readJSON(filepath.Join(folder, "vectors.json"), &vectors)
	return vectors, err
}

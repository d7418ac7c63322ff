package deploy_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// credentialRule is decK's rule for an entry of mtls_auth_credentials (JSON schema of
// go-database-reconciler, June 2026): id and subject_name are required, ca_certificate is
// an object with an id, nothing else is known.
func credentialRule(c object) (wrong []string) {
	for _, name := range []string{"id", "subject_name"} {
		if text(c, name) == "" {
			wrong = append(wrong, name+" is required")
		}
	}
	for name := range c {
		if !slices.Contains([]string{"id", "subject_name", "ca_certificate", "consumer", "tags", "created_at"}, name) {
			wrong = append(wrong, name+" is not known")
		}
	}
	if ca, set := c["ca_certificate"]; set {
		if m, ok := ca.(object); !ok || text(m, "id") == "" || len(m) != 1 {
			wrong = append(wrong, "ca_certificate must be an object with an id")
		}
	}
	if id := text(c, "id"); id != "" && !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(id) {
		wrong = append(wrong, "id must be a UUID")
	}
	return wrong
}

// pages are what users read, by path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := make(map[string]string)
	for _, file := range append(files, "../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[file] = string(text)
	}
	return texts
}

// decK, and the ingress controller on a Kong with a database, refuse a credential
// without an id.
func TestCredentialsInExamplesHaveIDs(t *testing.T) {
	block, secret := regexp.MustCompile("(?ms)^ *```yaml\n(.*?)^ *```$"), regexp.MustCompile(`kubectl create secret (?:[^\n]*\\\n)*[^\n]*`)
	examples, secrets := 0, 0
	texts := pages(t)
	for _, file := range slices.Sorted(maps.Keys(texts)) {
		for _, m := range block.FindAllStringSubmatch(texts[file], -1) {
			if !strings.Contains(m[1], "mtls_auth_credentials") {
				continue
			}
			var doc object
			if err := yaml.Unmarshal([]byte(m[1]), &doc); err != nil {
				t.Errorf("%s: %v in\n%s", file, err, m[1])
				continue
			}
			for _, c := range list(doc, "consumers") {
				for _, credential := range list(c, "mtls_auth_credentials") {
					examples++
					if wrong := credentialRule(credential.(object)); len(wrong) > 0 {
						t.Errorf("%s: %v: %q", file, credential, wrong)
					}
				}
			}
		}
		for _, command := range secret.FindAllString(texts[file], -1) {
			if strings.Contains(command, "subject_name=") {
				secrets++
				if !strings.Contains(command, "--from-literal=id=") {
					t.Errorf("%s: a credential without an id:\n%s", file, command)
				}
			}
		}
	}
	if examples == 0 || secrets == 0 {
		t.Errorf("found %d examples and %d Secrets", examples, secrets)
	}
}

// The unit runs the program with flags that it knows.
func TestTheUnit(t *testing.T) {
	unit, err := os.ReadFile("systemd/mtls-auth.service")
	if err != nil {
		t.Fatal(err)
	}
	if want := "\nExecStart=/usr/local/bin/mtls-auth -kong-prefix /usr/local/kong\n"; !strings.Contains(string(unit), want) || !strings.Contains(string(unit), "\nReadWritePaths=/usr/local/kong\n") {
		t.Errorf("the unit does not have %q and may not write to that prefix:\n%s", want, unit)
	}
}

package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Hosted workflows and issue forms are YAML, run actions by commit, and read the Kong that
// the Dockerfile has.
func TestHostedFiles(t *testing.T) {
	workflows, err := filepath.Glob("../.github/workflows/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	forms, err := filepath.Glob("../.github/ISSUE_TEMPLATE/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	if len(workflows) != 3 || len(forms) != 3 {
		t.Fatalf("got %q and %q", workflows, forms)
	}
	uses, pinned := regexp.MustCompile(`(?m)^\s*(?:- )?uses: *(.*)$`), regexp.MustCompile(`^[\w-]+/[\w./-]+@[0-9a-f]{40} # v[\d.]+$`)
	for _, file := range slices.Concat(workflows, forms) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var doc object
		if err := yaml.Unmarshal(text, &doc); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		actions := uses.FindAllStringSubmatch(string(text), -1)
		if slices.Contains(workflows, file) && len(actions) == 0 {
			t.Errorf("%s runs no action", file)
		}
		for _, m := range actions {
			if !pinned.MatchString(m[1]) {
				t.Errorf("%s: %q is not pinned by commit, with its version", file, m[1])
			}
		}
	}
	dockerfile, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	kong := documents(t, ".github/workflows/kong.yml")[0]
	versions := list(kong, "jobs", "e2e", "strategy", "matrix", "kong")
	if newest, _ := versions[len(versions)-1].(string); !strings.Contains(string(dockerfile), "\nARG KONG_VERSION="+newest+"\n") {
		t.Errorf("kong.yml ends with Kong %v, the Dockerfile has another", versions)
	}
}

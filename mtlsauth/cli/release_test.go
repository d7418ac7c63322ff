package cli_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A release has no fake Kong, no CA of tests and no Lua interpreter in it.
func TestReleaseLeavesOutTheDemo(t *testing.T) {
	deps := func(args ...string) []string {
		t.Helper()
		out, err := exec.Command("go", slices.Concat([]string{"list", "-deps"}, args, []string{"mtls-auth"})...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(strings.Fields(string(out)), func(name string) bool {
			return !strings.HasPrefix(name, "mtls-auth/mtlsauth/internal/testing/") && !strings.HasPrefix(name, "github.com/yuin/gopher-lua")
		})
	}
	if found := deps("-tags", "release"); len(found) > 0 {
		t.Errorf("a release depends on %q", found)
	}
	if found := deps(); len(found) == 0 {
		t.Error("no build has the demo")
	}
}

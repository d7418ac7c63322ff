package kong_test

import (
	"bytes"
	"maps"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"mtls-auth/kong"
	"mtls-auth/mtlsauth"
)

// LuaRocks installs what the program writes: the same files, as the modules that
// Kong asks for, of the same version.
func TestTheRockspecHasTheFiles(t *testing.T) {
	rockspec := "../kong-mtls-auth-" + mtlsauth.Version + "-1.rockspec"
	text, err := os.ReadFile(rockspec)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte("\nversion = \""+mtlsauth.Version+"-1\"\n")) || !bytes.Contains(text, []byte("\"v"+mtlsauth.Version+"\"")) {
		t.Errorf("%s is not of version %s", rockspec, mtlsauth.Version)
	}
	// A release replaces the source, which in a checkout is the checkout.
	release, err := os.ReadFile("../.github/workflows/release.yml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte("url = \"git+file://.\",")) || !bytes.Contains(release, []byte(`s#git+file://\.#git+$GITHUB_SERVER_URL/`)) || !bytes.Contains(release, []byte(`"kong-mtls-auth-$version-1.rockspec"`)) {
		t.Errorf("release.yml does not replace the source of %s", rockspec)
	}
	want := make(map[string]string)
	for _, plugin := range kong.Names(kong.Name) {
		files, err := kong.Files(plugin)
		if err != nil {
			t.Fatal(err)
		}
		for file := range files {
			module := strings.TrimSuffix(strings.TrimSuffix(file, ".lua"), "/init")
			want["kong.plugins."+plugin+"."+strings.ReplaceAll(module, "/", ".")] = path.Join("kong/plugins", plugin, file)
		}
	}
	got := make(map[string]string)
	for _, m := range regexp.MustCompile(`(?m)^ *\["(kong\..+)"\] = "(.+)",$`).FindAllStringSubmatch(string(text), -1) {
		got[m[1]] = m[2]
	}
	if !maps.Equal(got, want) {
		t.Errorf("%s has the modules\n%q\nwant\n%q", rockspec, got, want)
	}
}

// code are lines that are neither empty nor a comment.
var code = regexp.MustCompile(`(?m)^[ \t]*(?:[^- \t\n]|-[^-\n]).*$`)

// Small enough to be read at one sitting, and of the program's version.
func TestTheLuaCodeAsAWhole(t *testing.T) {
	lines := 0
	for _, plugin := range kong.Names(kong.Name) {
		files, err := kong.Files(plugin)
		if err != nil {
			t.Fatal(err)
		}
		for file, text := range files {
			if path.Base(file) != "schema.lua" { // which is made, not written
				lines += len(code.FindAll(text, -1))
			}
			for _, m := range regexp.MustCompile(`(?m)\bVERSION\s*=\s*"(.*?)"`).FindAllSubmatch(text, -1) {
				if string(m[1]) != mtlsauth.Version {
					t.Errorf("%s is of version %s, the program of %s", file, m[1], mtlsauth.Version)
				}
			}
		}
	}
	if lines > 1330 {
		t.Errorf("%d lines of Lua code, want at most 1330", lines)
	}
}

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// page returns a page of the docs.
func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(_format_version.*?)^```$")

// luaModes are an entity of the Lua plugin, and a plugin for which plugin-server mode has
// another program.
var luaModes = regexp.MustCompile(`mtls_auth_credentials|name: header-cert-auth\n`)

var othersPlugin = regexp.MustCompile(`name: (acl|key-auth)\n`)

// Kong takes each whole declarative file of the docs and examples, with the CA certificate
// of kong.yaml.
func TestConfigurationsInTheDocs(t *testing.T) {
	t.Parallel()
	r := newRigIn(t, chosenMode(t), nil, nil, func(o *realkong.Options) { o.Plugins = append(o.Plugins, "request-termination") })
	_, entity, ok := strings.Cut(page(t, "kong.yaml"), "\nca_certificates:\n")
	if !ok {
		t.Fatal("kong.yaml has no CA certificate")
	}
	found := 0
	try := func(name, configuration string) {
		if r.mode == pluginServerMode && luaModes.MatchString(configuration) {
			return
		}
		if os.Getenv(realkong.Variable) == "" && othersPlugin.MatchString(configuration) {
			return // the fake Kong has no others
		}
		found++
		if err := r.Configure([]byte(configuration + "ca_certificates:\n" + entity)); err != nil {
			t.Errorf("%s: %v in\n%s", name, err, configuration)
		}
	}
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(pages, "../../README.md") {
		name := strings.TrimPrefix(filepath.ToSlash(file), "../../")
		for _, m := range yamlBlock.FindAllStringSubmatch(page(t, name), -1) {
			try(name, m[1])
		}
	}
	examples, err := filepath.Glob("../../examples/*/kong.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range examples {
		name := strings.TrimPrefix(filepath.ToSlash(file), "../../")
		try(name, page(t, name))
	}
	if found < 9 {
		t.Errorf("found %d configurations", found)
	}
}

// The certificates that docs/install.md makes are what openssl verify accepts, and pass
// as the consumer of the page.
func TestInstallInTheDocs(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("NO OPENSSL HERE: the commands of docs/install.md were not tried")
	}
	dir := t.TempDir()
	const heading = "## 4. Make a CA and a client certificate\n"
	_, section, _ := strings.Cut(page(t, "docs/install.md"), heading)
	_, section, _ = strings.Cut(section, "```sh\n")
	block, _, ok := strings.Cut(section, "```\n")
	if !ok {
		t.Fatalf("docs/install.md has no commands below %q", heading)
	}
	cmd := exec.Command("sh", "-ec", block+"openssl verify -CAfile cert.pem -purpose sslclient client.pem")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("client.pem: OK")) {
		t.Fatalf("the commands of docs/install.md, and openssl verify: %v\n%s", err, out)
	}
	ca, err := os.ReadFile(filepath.Join(dir, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	const id = "cce8c384-721f-4f58-85dd-50834e3e733a"
	mapping, entity := "", `
  mtls_auth_credentials:
  - id: 3f0d9d3c-7a52-4a1d-9f5b-0c8f7f6b1a01
    subject_name: client.example.com
`
	r := newRig(t, nil, nil)
	if r.mode == pluginServerMode {
		entity, mapping = "", ", credentials: [{subject_name: client.example.com, consumer: alice}]"
	}
	// What the page does by the Admin API, without revocation.
	text := fmt.Sprintf(`_format_version: "3.0"
services:
- name: echo
  url: %s
  routes:
  - name: echo
    paths: [/echo]
    plugins:
    - name: mtls-auth
      config: {ca_certificates: [%s], revocation_check_mode: SKIP%s}
consumers:
- username: alice%s
ca_certificates:
- id: %[2]s
  cert: |
%[5]s`, r.upstream, id, mapping, entity, regexp.MustCompile(`(?m)^(.)`).ReplaceAllString(string(ca), "    $1"))
	if err := r.Configure(forMode(t, r.mode, []byte(text))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the configuration counts", func() bool { return r.get("/echo", nil).status != 404 })
	r.expect("none sent", r.get("/echo", nil), 401, noneSent)
	pair, err := loadPair(filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key"))
	if err != nil {
		t.Fatal(err)
	}
	got := r.get("/echo", pair)
	r.expect("the client's", got, 200, "")
	if name := got.seen.Get("X-Consumer-Username"); name != "alice" {
		t.Errorf("the upstream sees the consumer %q, want alice", name)
	}
}

package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// The files that people have: a bundle with a key in it, DER, a declarative file with
// several plugins.
func TestVerifyReadsWhatPeopleHave(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(at(name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	root := pki.NewCA("root")
	issuing := root.Intermediate("issuing")
	client := issuing.Client("client")
	write("root.pem", []byte(root.PEM()))
	write("root.der", root.Raw)
	write("client.der", client.Raw)
	write("issuing.pem", []byte(issuing.PEM()))
	write("bundle.pem", []byte("a note\n"+client.KeyPEM()+client.PEM()+issuing.PEM()))
	write("key.pem", []byte(client.KeyPEM()))
	write("empty.pem", nil)
	write("kong.yaml", []byte(`
_format_version: "3.0"
ca_certificates:
- id: aaaaaaaa-0000-4000-8000-000000000001
  cert: |
    `+string(bytes.ReplaceAll([]byte(root.PEM()), []byte("\n"), []byte("\n    ")))+`
consumers:
- username: client
services:
- name: one
  url: http://localhost
  routes:
  - name: strict
    plugins:
    - name: mtls-auth
      instance_name: by-name
      config: {ca_certificates: [aaaaaaaa-0000-4000-8000-000000000001]}
  - name: plain
  - name: behind
    plugins:
    - name: header-cert-auth
      instance_name: header
      config:
        ca_certificates: [aaaaaaaa-0000-4000-8000-000000000001]
        certificate_header_name: x-client-cert
        certificate_header_format: base64_encoded
        skip_consumer_lookup: true
        revocation_check_mode: SKIP
  plugins:
  - name: mtls-auth
    config: {ca_certificates: [aaaaaaaa-0000-4000-8000-000000000002], skip_consumer_lookup: true}
`))
	for _, test := range []struct {
		name string
		args string
		code int
		want string
	}{
		{"a bundle", "-cert bundle.pem -ca root.pem", 0, "CN=client  <  CN=issuing  <  CN=root"},
		{"DER", "-cert client.der -chain issuing.pem -ca root.der", 0, "CN=client  <  CN=issuing  <  CN=root"},
		{"without the intermediate", "-cert client.der -ca root.pem", 1, "What is missing is the certificate of CN=issuing."},
		{"several CA files", "-cert client.der -ca root.pem -ca issuing.pem", 0, "PASS"},
		{"no certificate", "-cert empty.pem -ca root.pem", 1, "none_sent"},
		{"/dev/null", "-cert /dev/null -ca root.pem", 1, "none_sent"},
		{"without end", "-cert /dev/zero -ca root.pem", 2, "/dev/zero: over 16 MiB"},
		{"revocation not checked", "-cert bundle.pem -config kong.yaml -route strict", 0, "reason passed assumes that no certificate is revoked: the plugin has IGNORE_CA_ERROR"},
		{"revocation not wanted", "-cert bundle.pem -config kong.yaml -route strict -revocation SKIP", 0, "(-revocation SKIP was given)"},
		{"a folder of CRLs for SKIP", "-cert bundle.pem -config kong.yaml -plugin header -crl-dir .", 0, "not checked: with SKIP -crl-dir is not used"},
		{"a header", "-cert bundle.pem -config kong.yaml -plugin header", 0, "reason passed assumes that Kong takes the header"},
		{"JSON keeps the mode", "-cert bundle.pem -config kong.yaml -route strict -json", 0, `"revocation_check_mode": "IGNORE_CA_ERROR"`},
		{"a refusal assumes nothing", "-cert bundle.pem -ca root.pem -at 2001-01-01 -json", 1, `"assumes": []`},
		{"a key", "-cert key.pem -ca root.pem", 2, "key.pem has no certificate, but"},
		{"several plugins", "-cert bundle.pem -config kong.yaml", 2, "choose one by -plugin N or -route NAME"},
		{"a route's own plugin", "-cert bundle.pem -config kong.yaml -route strict", 0, "client (id "},
		{"its service's", "-cert bundle.pem -config kong.yaml -route plain", 1, "ca_not_loaded"},
		{"by number", "-cert bundle.pem -config kong.yaml -plugin 2", 0, "by username client"},
		{"by instance_name", "-cert bundle.pem -config kong.yaml -plugin by-name", 0, "by username client"},
		{"no such route", "-cert bundle.pem -config kong.yaml -route x", 2, `there is no route "x"; there are: strict, plain, behind`},
		{"no such plugin", "-cert bundle.pem -config kong.yaml -plugin 4", 2, "must be one of:"},
		{"at another time", "-cert bundle.pem -ca root.pem -at 2001-01-01", 1, "not_yet_valid"},
		{"no configuration", "-cert bundle.pem -config root.pem", 2, "-config: "},
		{"no folder of CRLs", "-cert bundle.pem -ca root.pem -crl-dir absent.pem", 2, "absent.pem\" is not a folder"},
		{"a device", "-cert bundle.pem -config /dev/zero", 2, "-config: /dev/zero: not a regular file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := []string{"verify"}
			for _, word := range strings.Fields(test.args) {
				if strings.HasSuffix(word, ".pem") || strings.HasSuffix(word, ".der") || strings.HasSuffix(word, ".yaml") {
					word = at(word)
				}
				args = append(args, word)
			}
			code, stdout, stderr := run(t, "mtls-auth", args...)
			if all := stdout + stderr; code != test.code || !strings.Contains(strings.Join(strings.Fields(all), " "), strings.Join(strings.Fields(test.want), " ")) {
				t.Errorf("exit %d, want %d and %q:\n%s", code, test.code, test.want, all)
			}
		})
	}
}

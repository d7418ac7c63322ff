package demo

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"mtls-auth/mtlsauth/internal/handshake"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// howTo is the files of the how-to: a self-signed CA, which serves as a client
// certificate as well, and certificates that it issued or did not.
type howTo struct {
	dir string
	ca  *pki.Certificate
}

// caID is the id of the CA certificate in Kong, as its user chooses it.
const caID = "cce8c384-721f-4f58-85dd-50834e3e733a"

func newHowTo(dir string) (*howTo, error) {
	ca := pki.NewCA("", pki.RSA(4096), pki.Subject(pkix.Name{
		Country:            []string{"US"},
		Province:           []string{"California"},
		Locality:           []string{"San Francisco"},
		Organization:       []string{"Kong"},
		OrganizationalUnit: []string{"Org"},
		CommonName:         "www.example.com",
	}), pki.With(func(c *x509.Certificate) {
		c.KeyUsage = 0 // as openssl req -x509 makes it
		c.NotAfter = time.Now().AddDate(1, 0, 0)
	}))
	h := &howTo{dir: dir, ca: ca}
	for name, c := range map[string]*pki.Certificate{
		"cert":     ca,
		"client":   ca.Client("client", pki.DNS("client.example.com"), pki.URI("spiffe://example.com/client")),
		"expired":  ca.Client("client", pki.Expired()),
		"stranger": pki.NewCA("another CA").Client("client"),
	} {
		for path, text := range map[string]string{h.cert(name): c.PEM(), h.key(name): c.KeyPEM()} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				return nil, err
			}
		}
	}
	return h, nil
}

func (h *howTo) path(name string) string { return filepath.Join(h.dir, name) }
func (h *howTo) cert(name string) string { return h.path(name + ".pem") }
func (h *howTo) key(name string) string  { return h.path(name + ".key") }

// kongYAML is the how-to as a declarative file.
var kongYAML = template.Must(template.New("kong.yaml").Funcs(template.FuncMap{"indent": indent}).Parse(`_format_version: "3.0"

services:
- name: echo
  url: {{.Upstream}}
  routes:
  - name: echo
    paths:
    - /echo
  plugins:
  - name: mtls-auth
    config:
      ca_certificates:
      - {{.CAID}}
      skip_consumer_lookup: true
      revocation_check_mode: SKIP
{{if .Certificate}}
plugins:
- name: pre-function
  config:
    certificate:
    - |
{{indent 6 .Certificate}}
    access:
    - |
{{indent 6 .Access}}
{{end}}
ca_certificates:
- id: {{.CAID}}
  cert: |
{{indent 4 .CA}}
`))

// writeKongYAML writes the declarative file and returns its path. In plugin-server mode
// Kong asks for certificates by a pre-function.
func (h *howTo) writeKongYAML(upstream, mode string) (string, error) {
	var text bytes.Buffer
	values := map[string]string{"Upstream": upstream, "CAID": caID, "CA": h.ca.PEM()}
	if mode == PluginServerMode {
		values["Certificate"], values["Access"] = handshake.Certificate, handshake.Access
	}
	if err := kongYAML.Execute(&text, values); err != nil {
		return "", err
	}
	path := h.path("kong.yaml")
	return path, os.WriteFile(path, text.Bytes(), 0o600)
}

// indent indents each line that is not empty.
func indent(by int, text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = fmt.Sprintf("%*s%s", by, "", line)
		}
	}
	return strings.Join(lines, "\n")
}

// requests are what the how-to shows.
func (h *howTo) requests(plain, tls string) []request {
	const none, failed = "No required TLS certificate was sent", "TLS certificate failed verification"
	return []request{
		{howTo: h, what: "No certificate", url: tls + "/echo", status: 401, message: none},
		{howTo: h, what: "Plain HTTP", url: plain + "/echo", status: 401, message: none},
		{howTo: h, what: "The CA's own certificate", url: tls + "/echo", cert: "cert", status: 200},
		{howTo: h, what: "A certificate that the CA issued", url: tls + "/echo", cert: "client", status: 200},
		{howTo: h, what: "One that has expired", url: tls + "/echo", cert: "expired", status: 401, message: failed},
		{howTo: h, what: "One of another CA", url: tls + "/echo", cert: "stranger", status: 401, message: failed},
	}
}

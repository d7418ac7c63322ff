package certificate_test

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/testing/suites"
)

// TestOddCertificates reads the names of third-party certificates, most of them
// odd in one way, which lie beside the repository.
func TestOddCertificates(t *testing.T) {
	folder := filepath.Join(suites.Folder(t, "pyca", "names go"), "cert")
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	// What Join makes of some of them.
	want := map[string]string{
		"san_email_dns_ip_dirname_uri.pem": `user@cryptography.io, cryptography.io, 127.0.0.1, ff::, O=Cryptographic Authority\,CN=dirCN, https://cryptography.io`,
		"san_dirname.pem":                  `ST=Texas\,O=Org\,CN=test`,
		"san_registered_id.pem":            "",
		"san_x400address.der":              "",
		"san_edipartyname.der":             "",
	}
	read := 0
	for _, file := range files {
		der, err := os.ReadFile(filepath.Join(folder, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if block, _ := pem.Decode(der); block != nil {
			der = block.Bytes
		}
		cert, err := certificate.Parse(der)
		if err != nil {
			continue
		}
		read++
		dn := certificate.DistinguishedName(cert.RawSubject)
		names, _, err := cert.SubjectAltNames()
		if err != nil {
			t.Errorf("%s: %v", file.Name(), err)
		}
		joined := certificate.Join(names)
		if strings.ContainsFunc(dn+joined, isControl) {
			t.Errorf("%s: control character in %q, %q", file.Name(), dn, joined)
		}
		if expected, known := want[file.Name()]; known && joined != expected {
			t.Errorf("%s: got %q, want %q", file.Name(), joined, expected)
		}
	}
	if read == 0 {
		t.Error("none could be parsed")
	}
}

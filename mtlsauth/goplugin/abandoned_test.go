package main_test

import (
	"os"
	"path/filepath"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// An event that Kong's worker abandons in the middle delays no other with
// the same certificate.
func TestAnEventThatIsAbandoned(t *testing.T) {
	root := pki.NewCA("root")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, caID+".pem"), []byte(root.PEM()), 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, "MTLS_AUTH_CA_DIR="+dir)
	instance := c.instance(t, configured(lookUp))
	leaf := root.Client("alice").PEM()
	ask := func(abandon string) *request {
		r := &request{
			vars:      map[string]string{"ssl_session_reused": ".", "ssl_client_raw_cert": leaf},
			consumers: []map[string]any{alice}, pluginID: pluginID, abandon: abandon,
		}
		r.run(t, c, instance)
		return r
	}
	ask("kong.client.load_consumer")
	other := ask("")
	if other.exit != nil || other.shared["mtls_auth_passed"] != leaf {
		t.Errorf("the next request got %+v, marked %v; logged %q", other.exit, other.shared["mtls_auth_passed"], other.log)
	}
}

package main_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// The fields beyond Kong Enterprise's plugin decide here as in the other modes.
func TestRequired(t *testing.T) {
	root := pki.NewCA("root")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, caID+".pem"), []byte(root.PEM()), 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, "MTLS_AUTH_CA_DIR="+dir)
	svid := func(id string) *pki.Certificate { return root.Client("", pki.Subject(pkix.Name{}), pki.URI(id)) }
	domains := with(trust, "spiffe_trust_domains", []any{map[string]any{"trust_domain": "one.example", "ca_certificates": []string{caID}}})
	signing := pki.ExtKeyUsage(x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageCodeSigning)
	for _, test := range []struct {
		name   string
		config map[string]any
		leaf   *pki.Certificate
		reason string // "" for a pass
	}{
		{"the trust domain's own", domains, svid("spiffe://one.example/web"), ""},
		{"another trust domain", domains, svid("spiffe://two.example/web"), "spiffe_id"},
		{"no SPIFFE ID", domains, root.Client("web"), "spiffe_id"},
		{"a policy that is not asserted", with(trust, "required_policies", []string{"1.2.3.4"}), root.Client("web"), "constraint"},
		{"a usage", with(trust, "required_extended_key_usages", []string{"codeSigning"}), root.Client("web", signing), ""},
		{"a usage that is missing", with(trust, "required_extended_key_usages", []string{"codeSigning"}), root.Client("web"), "wrong_usage"},
		{"a CA of none of the policy's", with(trust, "spiffe_trust_domains", []any{map[string]any{"trust_domain": "one.example", "ca_certificates": []string{otherID}}}), svid("spiffe://one.example/web"), "bad_config"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &request{vars: map[string]string{"ssl_session_reused": ".", "ssl_client_raw_cert": test.leaf.PEM()}, shared: map[string]any{}, pluginID: pluginID}
			r.run(t, c, c.instance(t, configured(test.config)))
			verify := "SUCCESS"
			if test.reason != "" {
				verify = "FAILED:" + test.reason
			}
			if passed := r.exit == nil; passed != (test.reason == "") || r.ctx["CLIENT_VERIFY_OVERRIDE"] != verify {
				t.Errorf("got %+v and %v, want %s; logged %q", r.exit, r.ctx["CLIENT_VERIFY_OVERRIDE"], verify, r.log)
			}
		})
	}
}

// The upstream is told the certificate, and nothing that a client sent under these names.
func TestUpstreamHeaders(t *testing.T) {
	root := pki.NewCA("root")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, caID+".pem"), []byte(root.PEM()), 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, "MTLS_AUTH_CA_DIR="+dir)
	leaf := root.Client("web")
	r := &request{vars: map[string]string{"ssl_session_reused": ".", "ssl_client_raw_cert": leaf.PEM()}, shared: map[string]any{}, pluginID: pluginID}
	r.run(t, c, c.instance(t, configured(with(trust, "upstream_certificate_headers", []string{"details"}))))
	got := lower(r.headers)
	if r.exit != nil || !reflect.DeepEqual(got["x-client-cert-fingerprint"], []any{leaf.Fingerprint()}) {
		t.Fatalf("got %+v, the upstream is told %v", r.exit, got)
	}
	for _, name := range []string{"client-cert", "client-cert-chain", "client_cert", "x_client_cert", "x-client-cert_serial"} {
		if values, ok := got[name].([]any); !ok || len(values) > 0 {
			t.Errorf("%s is %v, want it cleared", name, strings.TrimSpace(name))
		}
	}
}

package e2e

import (
	"net/http"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// Kong behind Kong: what the outer one tells its upstream, the inner one reads.
func TestClientCertFromKongToKong(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	inter := root.Intermediate("inter").Intermediate("lower")
	reads := object{"certificate_chain_header_name": "Client-Cert-Chain"}
	tells := object{"upstream_certificate_headers": []string{"rfc9440"}}
	inner := newHeaderRig(t, cas{idA: root}, routes{
		"/rfc":    header("Client-Cert", "rfc9440", reads),
		"/hidden": header("Client-Cert", "rfc9440", reads, tells, object{"hide_certificate_header": true}),
		"/quiet":  header("Client-Cert", "rfc9440", reads, object{"hide_certificate_header": true}),
		"/url":    header("X-Client-Cert", "url_encoded", object{"ca_certificates": []string{idA}}),
	})
	outer := newRig(t, cas{idA: root}, routes{
		"/told":      trusted([]string{idA}, tells),
		"/details":   trusted([]string{idA}, object{"upstream_certificate_headers": []string{"details"}}),
		"/anonymous": trusted([]string{idA}, tells, object{"anonymous": "guest"}),
	}, with(t, consumers(consumer(idGuest, "guest"))), changed(t, func(config object) {
		service := config["services"].([]any)[0].(map[string]any)
		service["url"] = inner.URL()
		for _, route := range service["routes"].([]any) {
			route.(map[string]any)["strip_path"] = true
		}
	}))
	alice, direct := inter.Client("alice"), root.Client("direct")
	stranger := pki.NewCA("stranger").Client("alice")
	forged := []string{"Client-Cert", byteSequence(stranger), "client_cert", byteSequence(stranger), "Client-Cert-Chain", byteSequence(root)}
	for _, test := range []struct {
		name, path string
		cert       *pki.Certificate
		header     []string
		status     int
		message    string
		seen       map[string]string
	}{
		{"with its chain", "/told/rfc", alice, nil, 200, "", map[string]string{"X-Client-Cert-Dn": "CN=alice", "Client-Cert": byteSequence(alice)}},
		{"below the root", "/told/rfc", direct, nil, 200, "", map[string]string{"X-Client-Cert-Dn": "CN=direct"}},
		{"beside forged ones", "/told/rfc", alice, forged, 200, "", map[string]string{"X-Client-Cert-Dn": "CN=alice", "Client-Cert": byteSequence(alice)}},
		{"told once more, though hidden", "/told/hidden", alice, nil, 200, "", map[string]string{"X-Client-Cert-Dn": "CN=alice", "Client-Cert": byteSequence(alice)}},
		{"hidden", "/told/quiet", alice, nil, 200, "", map[string]string{"X-Client-Cert-Dn": "CN=alice", "Client-Cert": ""}},
		{"percent-encoded", "/details/url", direct, nil, 200, "", map[string]string{"X-Client-Cert-Dn": "CN=direct"}},
		{"anonymous", "/anonymous/rfc", nil, nil, 401, noneSent, nil},
		{"anonymous, with forged ones", "/anonymous/rfc", stranger, forged, 401, noneSent, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := outer.get(test.path, test.cert, test.header...)
			if got.status != test.status || got.message != test.message {
				t.Fatalf("got %d %q, want %d %q", got.status, got.message, test.status, test.message)
			}
			for name, want := range test.seen {
				if values := got.seen[http.CanonicalHeaderKey(name)]; len(values) > 1 || got.seen.Get(name) != want {
					t.Errorf("the last upstream sees %s: %.60q, want %.60q", name, values, want)
				}
			}
		})
	}
}

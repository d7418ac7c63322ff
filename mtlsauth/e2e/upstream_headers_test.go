package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// byteSequence is a certificate as RFC 9440, section 2.1, has it.
func byteSequence(c *pki.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":"
}

// What the upstream is told of the certificate is what was verified, and nothing that a
// client sends under these names reaches it: also where the request goes on without one.
func TestUpstreamCertificateHeaders(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	inter := root.Intermediate("inter")
	headers := func(of ...string) object { return object{"upstream_certificate_headers": of} }
	anonymous := object{"anonymous": "guest"}
	r := newRig(t, cas{idA: root}, routes{
		"/rfc":       trusted([]string{idA}, headers("rfc9440")),
		"/details":   trusted([]string{idA}, headers("details")),
		"/both":      matching([]string{idA}, headers("rfc9440", "details")),
		"/anonymous": matching([]string{idA}, headers("rfc9440", "details"), anonymous),
		"/or":        matching([]string{idA}, headers("rfc9440", "details"), anonymous),
		"/none":      trusted([]string{idA}),
	}, with(t, consumers(consumer(idAlice, "alice"), consumer(idGuest, "guest"), consumer(idBob, "bob", object{"keyauth_credentials": []object{{"key": "secret"}}})),
		also("/or", object{"name": "key-auth", "config": object{"anonymous": "guest"}})))
	alice := inter.Client("alice")

	var forged []string
	for _, name := range authn.UpstreamHeaderNames() {
		for _, spelled := range spellings(name) {
			forged = append(forged, spelled, "forged", strings.ToUpper(spelled), "forged")
		}
	}
	rfc9440 := map[string]string{"Client-Cert": byteSequence(alice), "Client-Cert-Chain": byteSequence(inter)}
	fingerprint := sha256.Sum256(alice.Raw)
	details := map[string]string{
		"X-Client-Cert-Serial": fmt.Sprintf("%X", alice.SerialNumber.Bytes()), "X-Client-Cert-Issuer-Dn": "CN=inter", "X-Client-Cert-Subject-Dn": "CN=alice",
		"X-Client-Cert-Fingerprint": hex.EncodeToString(fingerprint[:]),
		"X-Client-Cert":             strings.ReplaceAll(url.QueryEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: alice.Raw}))), "+", "%20"),
	}
	for _, test := range []struct {
		name, path, apikey string
		cert               *pki.Certificate
		told               []map[string]string
		status             int
	}{
		{"rfc9440", "/rfc", "", alice, []map[string]string{rfc9440}, 200},
		{"details", "/details", "", alice, []map[string]string{details}, 200},
		{"both, with a consumer", "/both", "", alice, []map[string]string{rfc9440, details}, 200},
		{"both, not anonymous", "/anonymous", "", alice, []map[string]string{rfc9440, details}, 200},
		{"none sent, anonymous", "/anonymous", "", nil, nil, 200},
		{"refused, anonymous", "/anonymous", "", pki.NewCA("stranger").Client("alice"), nil, 200},
		{"no consumer, anonymous", "/anonymous", "", inter.Client("stray"), nil, 200},
		{"or, by the certificate", "/or", "", alice, []map[string]string{rfc9440, details}, 200},
		{"or, by the key", "/or", "secret", nil, nil, 200},
		{"none sent", "/rfc", "", nil, nil, 401},
		{"refused", "/both", "", pki.NewCA("stranger").Client("alice"), nil, 401},
	} {
		c := r.client(test.cert)
		for _, again := range []string{"", ", again", ", forged"} { // decided, cached, and with forged headers
			sent := []string{"apikey", test.apikey}
			if again == ", forged" {
				sent = append(sent, forged...)
			}
			got := r.ask(c, r.URLTLS()+test.path, sent...)
			if got.status != test.status {
				t.Errorf("%s%s: got %d %s", test.name, again, got.status, got.message)
			}
			told := map[string]string{}
			for _, set := range test.told {
				for name, value := range set {
					told[name] = value
				}
			}
			expectTold(t, test.name+again, got.seen, told)
		}
	}

	// Kong hands over a thousand headers at most.
	var many []string
	for i := range 1050 {
		many = append(many, fmt.Sprint("X-", i), "x")
	}
	got := r.get("/rfc", alice, append(many, "client_cert", "forged", "X_Client_Cert_Serial", "forged")...)
	if !refusesSoMany(got) {
		r.expect("behind many others", got, 200, "")
		expectTold(t, "behind many others", got.seen, rfc9440)
	}

	// Without the field they are the client's own affair.
	if got := r.get("/none", alice, "Client-Cert", "theirs"); got.seen.Get("Client-Cert") != "theirs" {
		t.Errorf("without the field: the upstream sees %q", got.seen)
	}
	if r.mode != luaMode {
		return
	}
	got = r.get("/both", alice, "Connection", "Client-Cert, X-Client_Cert-Serial, client_cert_chain, X-Filler")
	for name, want := range rfc9440 {
		if got.seen.Get(name) != want {
			t.Errorf("named in Connection: the upstream sees %s: %q", name, got.seen.Get(name))
		}
	}
}

// expectTold expects these of the optional headers, and no others in any spelling.
func expectTold(t *testing.T, what string, seen http.Header, want map[string]string) {
	t.Helper()
	for name, values := range seen {
		folded := http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
		if !strings.HasPrefix(folded, "Client-Cert") && !strings.HasPrefix(folded, "X-Client-Cert") || folded == "X-Client-Cert-Dn" || folded == "X-Client-Cert-San" {
			continue
		}
		if len(values) != 1 || values[0] != want[name] {
			t.Errorf("%s: the upstream sees %s: %.60q, want %.60q", what, name, values, want[name])
		}
	}
	for name, value := range want {
		if seen.Get(name) != value {
			t.Errorf("%s: the upstream sees %s: %.60q, want %.60q", what, name, seen.Get(name), value)
		}
	}
}

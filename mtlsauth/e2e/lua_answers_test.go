package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// bothCase is a request that is made in both modes.
type bothCase struct {
	name, path string
	cert       *tls.Certificate // nil for none
	status     int
	reason     string // in the log; "" for no line
	header     []string
	plain      bool // no TLS
	http2      bool
}

// seenAnswer is what comes of a request, as far as others can rely on it.
type seenAnswer struct {
	status            int
	body, contentType string
	upstream          string // the headers that it sees
	verify            string // request.tls.client_verify of the access log
	lines             string // of the plugin, in Kong's log
}

// requestID is in the bodies that Kong's own plugins answer with.
var requestID = regexp.MustCompile(`[0-9a-f]{32}`)

// make makes a case's request.
func (r *rig) make(c bothCase) seenAnswer {
	r.t.Helper()
	client := r.client(nil)
	defer client.CloseIdleConnections()
	transport(client).ForceAttemptHTTP2 = c.http2
	if c.cert != nil {
		transport(client).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.cert, nil }
	}
	url := r.URLTLS()
	if c.plain {
		url = r.URL()
	}
	before := len(r.pluginLines())
	got := r.ask(client, url+c.path, c.header...)
	seen := seenAnswer{status: got.status, contentType: got.header.Get("Content-Type")}
	if got.seen == nil {
		seen.body = requestID.ReplaceAllString(got.body, "ID")
	}
	var headers strings.Builder
	for _, name := range slices.Sorted(maps.Keys(got.seen)) {
		if name != "X-Forwarded-Port" && name != "X-Kong-Request-Id" { // each Kong's own
			headers.WriteString(name + ": " + strings.Join(got.seen[name], " | ") + "\n")
		}
	}
	seen.upstream = headers.String()
	if !c.plain {
		seen.verify = r.verified(got)
	}
	for _, line := range r.pluginLines()[before:] {
		level, _, _ := strings.Cut(line, " ")
		_, text, _ := strings.Cut(line, "[mtls-auth] ")
		text, _, _ = strings.Cut(text, ", client: ")
		if strings.HasPrefix(text, "fault=") { // of the background, with whichever request comes next
			continue
		}
		seen.lines += level + " " + text + "\n"
	}
	return seen
}

// Whatever the case, both modes give the same answer: the table of the contract,
// row by row.
func TestBothModesAnswerAlike(t *testing.T) {
	t.Parallel()
	needsKong(t)
	root, stranger := newAuthority(t, pki.NewCA("root")), pki.NewCA("stranger")
	inter := root.Intermediate("inter")
	anonymous := object{"anonymous": "guest"}
	plugins := routes{
		"/skip":       trusted([]string{idA}),
		"/skip-anon":  trusted([]string{idA}, anonymous),
		"/dn":         trusted([]string{idA}, object{"authenticated_group_by": "DN"}),
		"/match":      matching([]string{idA}),
		"/match-anon": matching([]string{idA}, anonymous),
		"/by-id":      matching([]string{idA}, object{"anonymous": strings.ToUpper(idGuest)}),
		"/or":         matching([]string{idA}, anonymous),
		"/and":        matching([]string{idA}),
		"/default":    matching([]string{idA}, object{"default_consumer": "all"}),
		"/no-default": matching([]string{idA}, object{"default_consumer": "who"}, anonymous),
		"/no-anon":    matching([]string{idA}, object{"anonymous": "w<h>&ö"}),
		"/mapped": matching([]string{idA}, object{"credentials": []object{
			{"subject_name": "mapped", "consumer": idBob}, {"subject_name": "bound", "consumer": "bob", "ca_certificate": idA},
			{"subject_name": "gone", "consumer": "who"},
		}}, anonymous),
		"/no-ca":      trusted([]string{idC}),
		"/no-ca-anon": trusted([]string{idC}, anonymous),
		"/some-ca":    trusted([]string{idA, idC}),
		"/twice":      trusted([]string{idA}, object{"credentials": []object{{"subject_name": "a", "consumer": "x"}, {"subject_name": "a", "consumer": "y"}}}, anonymous),
		"/strict":     checked("STRICT"),
		"/strict-an":  checked("STRICT", anonymous),
		"/ignore":     checked("IGNORE_CA_ERROR"),
	}
	change := func(o *realkong.Options) {
		with(t,
			consumers(
				consumer(idAlice, "alice", object{"custom_id": "4711", "acls": []object{{"group": "staff"}}, "tags": []string{"x"}}),
				consumer(idBob, "bob", object{"keyauth_credentials": []object{{"id": idC, "key": "secret"}}}),
				consumer(idAll, "all"), consumer(idGuest, "guest"),
			),
			also("/or", object{"name": "key-auth", "config": object{"anonymous": "guest"}}),
			also("/and", object{"name": "key-auth", "config": object{}}),
			also("/skip", object{"name": "acl", "config": object{"deny": []string{"admin"}, "hide_groups_header": false}}),
			also("/dn", object{"name": "acl", "config": object{"allow": []string{"CN=group"}}}),
		)(&o.Options)
	}
	modes := map[string]*rig{
		"plugin-server mode": newRigIn(t, pluginServerMode, cas{idA: root.Certificate}, plugins, change),
		"Lua mode":           newRigIn(t, luaMode, cas{idA: root.Certificate}, plugins, change),
	}

	pair := func(c *pki.Certificate) *tls.Certificate { p := c.TLS(); return &p }
	client := pair(root.Client("client", pki.DNS("a.example", "b.example"), pki.URI("spiffe://x/y,z")))
	alice := pair(root.Client("alice"))
	revoked, unknown := root.Client("client", root.byOCSP()), root.Client("client", root.byOCSP())
	root.responder.Revoke(revoked, 1)
	extension := func(last int) pki.Option {
		return pki.Extension(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, last}, Value: []byte{5, 0}})
	}
	unreadable := pair(root.Client("client", extension(4), extension(5)))
	twice := bytes.ReplaceAll(unreadable.Certificate[0], []byte{6, 3, 42, 3, 5}, []byte{6, 3, 42, 3, 4})
	unreadable.Certificate[0] = twice // one extension: OpenSSL reads that
	constraints, names := make([]string, 1000), make([]string, 1000)
	for i := range names {
		constraints[i], names[i] = fmt.Sprintf("c%d.org", i), fmt.Sprintf("%d.net", i)
	}
	costly := root.Intermediate("costly", pki.With(func(c *x509.Certificate) { c.ExcludedDNSDomains = constraints }))
	forged := []string{"apikey", "wrong"}
	for _, name := range []string{"X-Consumer-ID", "X_Consumer_Id", "X-Consumer-Custom-ID", "x-consumer_custom-id", "X-Consumer-Username", "X-CONSUMER_USERNAME",
		"X-Credential-Identifier", "X_Credential-Identifier", "X-Anonymous-Consumer", "X-Anonymous_Consumer", "X-Client-Cert-Dn", "X_CLIENT_CERT_DN", "X-Client-Cert-San", "x-client-cert_san"} {
		forged = append(forged, name, "forged")
	}

	cases := []bothCase{
		{name: "none sent", path: "/skip", status: 401, reason: "none_sent"},
		{name: "none sent, HTTP/2", path: "/match", status: 401, reason: "none_sent", http2: true},
		{name: "plain HTTP", path: "/skip", status: 401, reason: "none_sent", plain: true},
		{name: "plain HTTP, anonymous", path: "/match-anon", status: 200, reason: "none_sent", plain: true, header: forged},
		{name: "anonymous by id", path: "/by-id", status: 200, reason: "none_sent", header: forged},
		{name: "no anonymous consumer, none sent", path: "/no-anon", status: 500, reason: "lookup_failed"},
		{name: "no anonymous consumer, no consumer", path: "/no-anon", cert: client, status: 500, reason: "lookup_failed"},
		{name: "no anonymous consumer, a consumer", path: "/no-anon", cert: alice, status: 200},

		{name: "passes", path: "/skip", cert: client, status: 200, header: forged},
		{name: "passes, HTTP/2", path: "/skip", cert: client, status: 200, header: forged, http2: true},
		{name: "passes, with its intermediate", path: "/skip", cert: pair(inter.Client("client")), status: 200},
		{name: "passes, the CA itself", path: "/skip-anon", cert: pair(root.Certificate), status: 200, header: forged},
		{name: "its group is denied", path: "/skip", cert: pair(root.Client("admin")), status: 403},
		{name: "its group is allowed", path: "/dn", cert: pair(root.Client("group")), status: 200},
		{name: "another group", path: "/dn", cert: alice, status: 403},
		{name: "by username", path: "/match", cert: alice, status: 200, header: forged},
		{name: "by custom_id", path: "/match", cert: pair(root.Client("x", pki.DNS("zz", "4711"))), status: 200, header: forged},
		{name: "no custom_id", path: "/match", cert: pair(root.Client("bob")), status: 200, header: forged},
		{name: "default", path: "/default", cert: client, status: 200, header: forged},
		{name: "mapped", path: "/mapped", cert: pair(root.Client("mapped")), status: 200, header: forged},
		{name: "mapped, under the CA", path: "/mapped", cert: pair(root.Client("bound")), status: 200},

		{name: "or, neither", path: "/or", status: 200, reason: "none_sent", header: forged[2:]},
		{name: "or, the certificate", path: "/or", cert: alice, status: 200, header: forged[2:]},
		{name: "or, the key", path: "/or", status: 200, reason: "none_sent", header: append([]string{"apikey", "secret"}, forged[2:]...)},
		{name: "and, the key", path: "/and", status: 401, reason: "none_sent", header: []string{"apikey", "secret"}},
		{name: "and, the certificate", path: "/and", cert: alice, status: 401},
		{name: "and, both", path: "/and", cert: alice, status: 200, header: append([]string{"apikey", "secret"}, forged[2:]...)},

		{name: "a mapped consumer that is not there", path: "/mapped", cert: pair(root.Client("gone")), status: 500, reason: "lookup_failed"},
		{name: "a default consumer that is not there", path: "/no-default", cert: client, status: 500, reason: "lookup_failed"},
		{name: "no CA certificate", path: "/no-ca", cert: client, status: 500, reason: "ca_not_loaded"},
		{name: "no CA certificate, anonymous", path: "/no-ca-anon", cert: client, status: 500, reason: "ca_not_loaded"},
		{name: "no CA certificate, none sent", path: "/no-ca", status: 401, reason: "none_sent"},
		{name: "some CA certificates, another's", path: "/some-ca", cert: pair(stranger.Client("client")), status: 401, reason: "ca_not_loaded"},
		{name: "a refused configuration", path: "/twice", cert: client, status: 500, reason: "bad_config"},
		{name: "a refused configuration, none sent", path: "/twice", status: 500, reason: "bad_config"},

		{name: "revoked", path: "/strict", cert: pair(revoked), status: 401, reason: "revoked"},
		{name: "revoked, anonymous", path: "/strict-an", cert: pair(revoked), status: 200, reason: "revoked", header: forged},
		{name: "revoked, the lax mode", path: "/ignore", cert: pair(revoked), status: 401, reason: "revoked"},
		{name: "unknown", path: "/strict", cert: pair(unknown), status: 401, reason: "status_unknown"},
		{name: "no status", path: "/strict", cert: alice, status: 401, reason: "status_unknown"},
		{name: "no status, the lax mode", path: "/ignore", cert: alice, status: 200},
	}
	// What a client can mend, refused and as anonymous.
	for reason, cert := range map[string]*tls.Certificate{
		"issuer_not_found": pair(stranger.Client("client")),
		"bad_signature":    pair(pki.NewCA("root").Client("client")),
		"expired":          pair(root.Client("client", pki.Expired())),
		"not_yet_valid":    pair(root.Client("client", pki.NotYetValid())),
		"wrong_usage":      pair(root.Client("client", pki.ExtKeyUsage(x509.ExtKeyUsageServerAuth))),
		"weak_algorithm":   pair(root.Client("client", pki.RSA(1024))),
		"unreadable":       unreadable,
		"too_costly":       pair(costly.Client("client", pki.DNS(names...))),
		"constraint":       pair(root.Client("client", pki.Extension(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}))),
		"no_consumer":      client,
	} {
		cases = append(cases,
			bothCase{name: reason, path: "/match", cert: cert, status: 401, reason: reason},
			bothCase{name: reason + ", anonymous", path: "/match-anon", cert: cert, status: 200, reason: reason, header: forged})
	}

	for _, c := range cases {
		got := map[string]seenAnswer{}
		for name, r := range modes {
			a := r.make(c)
			got[name] = a
			line := `reason="` + c.reason + `"`
			if a.status != c.status || c.reason != "" && !strings.Contains(a.lines, line) || c.reason == "" && strings.Contains(a.lines, `reason=`) {
				t.Errorf("%s, through %s: got %d %s%s\nlogged %q, want %d and %s", c.name, name, a.status, a.body, a.upstream, a.lines, c.status, line)
			}
			if strings.Contains(a.upstream, "forged") {
				t.Errorf("%s, through %s: the upstream sees\n%s", c.name, name, a.upstream)
			}
			if a.status == http.StatusOK && a.body != "" {
				t.Errorf("%s, through %s: the upstream says %q", c.name, name, a.body)
			}
		}
		a, b := got["plugin-server mode"], got["Lua mode"]
		if a != b {
			t.Errorf("%s: in plugin-server mode\n%+v\nin Lua mode\n%+v", c.name, a, b)
		}
	}
}

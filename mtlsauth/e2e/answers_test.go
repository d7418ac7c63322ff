package e2e

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// TestAnswers has each row of the table of answers that needs no consumer.
func TestAnswers(t *testing.T) {
	t.Parallel()
	root, stranger := pki.NewCA("root"), pki.NewCA("stranger")
	inter := root.Intermediate("inter")
	r := newRig(t, cas{idA: root}, routes{"/echo": trusted([]string{idA})})
	good := root.Client("client")
	for _, test := range []struct {
		name    string
		cert    *pki.Certificate
		status  int
		message string
		reason  string
	}{
		{"none sent", nil, 401, noneSent, "none_sent"},
		{"trusted", good, 200, "", ""},
		{"the CA itself", root, 200, "", ""},
		{"with the intermediate that issued it", inter.Client("client"), 200, "", ""},
		{"without the intermediate that issued it", onlyLeaf(inter.Client("client")), 401, failed, "issuer_not_found"},
		{"untrusted", stranger.Client("client"), 401, failed, "issuer_not_found"},
		{"of a CA that only has the name", pki.NewCA("root").Client("client"), 401, failed, "bad_signature"},
		{"self-signed", pki.NewSelfSigned("client"), 401, failed, "issuer_not_found"},
		{"expired", root.Client("client", pki.Expired()), 401, failed, "expired"},
		{"not yet valid", root.Client("client", pki.NotYetValid()), 401, failed, "not_yet_valid"},
		{"for servers", root.Client("client", pki.ExtKeyUsage(x509.ExtKeyUsageServerAuth)), 401, failed, "wrong_usage"},
		{"for nothing in particular", root.Client("client", pki.ExtKeyUsage()), 200, "", ""},
		{"for anything", root.Client("client", pki.ExtKeyUsage(x509.ExtKeyUsageAny)), 200, "", ""},
		{"a CA certificate as a client's", inter, 401, failed, "wrong_usage"},
		{"a weak key", root.Client("client", pki.RSA(1024)), 401, failed, "weak_algorithm"},
	} {
		got := r.get("/echo", test.cert)
		r.expect(test.name, got, test.status, test.message)
		verify := "FAILED:" + test.reason
		switch test.reason {
		case "":
			verify = "SUCCESS"
		case "none_sent":
			verify = "NONE"
			r.expectLog(test.name, "[info]", `[mtls-auth] reason="none_sent"`)
		default:
			r.expectLog(test.name, "[notice]", `[mtls-auth] reason="`+test.reason+`"`, `subject="CN=`, `ca_certificates="`+idA+`"`, `resumed="false"`)
		}
		if v := r.verified(got); v != verify {
			t.Errorf("%s: client_verify is %q, want %q", test.name, v, verify)
		}
		if test.status == 401 {
			if got := got.header.Get("Content-Type"); got != "application/json; charset=utf-8" {
				t.Errorf("%s: Content-Type is %q", test.name, got)
			}
		}
	}
	// One line a refusal, and no certificate in any.
	if lines := r.pluginLines(); len(lines) != 10 {
		t.Errorf("%d lines were logged, want one for each of 10 refusals:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	for _, line := range r.Log().Lines() {
		if strings.Contains(line.Text, "BEGIN") || strings.Contains(line.Text, "MII") {
			t.Errorf("a certificate is in the log: %s", line.Text)
		}
	}
	r.expect("plain HTTP", r.ask(r.client(nil), r.URL()+"/echo"), 401, noneSent)
	r.expect("a route without the plugin", r.get("/open", nil), 200, "")
}

func TestWhatTheUpstreamSees(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	r := newRig(t, cas{idA: root}, routes{"/echo": trusted([]string{idA})})
	forged := []string{
		"X-Client-Cert-Dn", "CN=forged", "x-client-cert-san", "forged", "X-Consumer-ID", "forged", "X-CONSUMER-USERNAME", "forged",
		"X-Consumer-Custom-ID", "forged", "X-Credential-Identifier", "forged", "X-Anonymous-Consumer", "true",
		"X_Client_Cert_Dn", "forged", "X-Client_Cert-San", "forged", "x_consumer_id", "forged",
	}
	plain := root.Client("no names")
	for _, test := range []struct {
		cert    *pki.Certificate
		dn, san string
	}{
		{root.Client("client", pki.DNS("a.example", "b.example"), pki.IP("10.0.0.1"), pki.URI("spiffe://x/y,z")),
			"CN=client", `a.example, b.example, 10.0.0.1, spiffe://x/y\,z`},
		{plain, "CN=no names", ""},
		{root.Client("", pki.Subject(pkix.Name{}), pki.DNS("no.subject")), "", "no.subject"},
	} {
		got := r.get("/echo", test.cert, forged...)
		r.expect(test.dn, got, 200, "")
		if v := got.seen.Get("X-Client-Cert-Dn"); v != test.dn {
			t.Errorf("the upstream sees DN %q, want %q", v, test.dn)
		}
		if v := got.seen.Get("X-Client-Cert-San"); v != test.san {
			t.Errorf("the upstream sees SAN %q, want %q", v, test.san)
		}
		for name, values := range got.seen {
			if strings.Contains(strings.Join(values, " "), "forged") || strings.HasPrefix(name, "X-Consumer") {
				t.Errorf("the upstream sees %s: %q", name, values)
			}
		}
	}
}

// A root, an intermediate, and who sends or configures which.
func TestIntermediates(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	inter := root.Intermediate("inter")
	leaf := inter.Client("client")
	r := newRig(t, cas{idA: root, idB: inter}, routes{
		"/root":    trusted([]string{idA}),
		"/both":    trusted([]string{idA, idB}),
		"/inter":   trusted([]string{idB}),
		"/partial": trusted([]string{idB}, object{"allow_partial_chain": true}),
	})
	r.expect("root trusted, leaf alone", r.get("/root", onlyLeaf(leaf)), 401, failed)
	r.expect("root trusted, chain sent", r.get("/root", leaf), 200, "")
	r.expect("both configured, leaf alone", r.get("/both", onlyLeaf(leaf)), 200, "")
	r.expect("intermediate alone", r.get("/inter", leaf), 401, failed)
	r.expect("intermediate alone, partial chains", r.get("/partial", onlyLeaf(leaf)), 200, "")
	// What one request sent must not help the next.
	r.expect("again leaf alone", r.get("/root", onlyLeaf(leaf)), 401, failed)
}

func TestWhichCAsARouteTrusts(t *testing.T) {
	t.Parallel()
	a, b, c := pki.NewCA("a"), pki.NewCA("b"), pki.NewCA("c")
	r := newRig(t, cas{idA: a, idB: b, idC: c}, routes{
		"/a":  trusted([]string{idA}),
		"/b":  trusted([]string{idB}),
		"/ab": trusted([]string{idA, strings.ToUpper(idB)}),
	})
	for _, test := range []struct {
		path string
		ca   *pki.Certificate
		want int
	}{
		{"/a", a, 200}, {"/b", b, 200}, {"/ab", a, 200}, {"/ab", b, 200},
		{"/a", b, 401}, {"/b", a, 401}, {"/ab", c, 401}, {"/a", c, 401},
	} {
		if got := r.get(test.path, test.ca.Client("client")); got.status != test.want {
			t.Errorf("a client of %s on %s: got %d, want %d", test.ca.Subject.CommonName, test.path, got.status, test.want)
		}
	}
}

func TestMissingCACertificates(t *testing.T) {
	t.Parallel()
	a, b := pki.NewCA("a"), pki.NewCA("b")
	r := newRig(t, cas{idA: a}, routes{
		"/none": trusted([]string{idC}),
		"/some": trusted([]string{idA, idC}),
		"/a":    trusted([]string{idA}),
	})
	r.expect("none of the ids is there", r.get("/none", a.Client("client")), 500, internal)
	r.expectLog("none of the ids is there", "[error]", `reason="ca_not_loaded"`, idC)
	r.expect("none of the ids is there, none sent", r.get("/none", nil), 401, noneSent)
	r.expect("some ids are there, a client of one", r.get("/some", a.Client("client")), 200, "")
	r.expect("some ids are there, a client of another", r.get("/some", b.Client("client")), 401, failed)
	r.expectLog("some ids are there", "[notice]", `reason="ca_not_loaded"`, `missing="`+idC+`"`)
	r.expect("other routes go on", r.get("/a", a.Client("client")), 200, "")
}

func TestRefusedConfigurations(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	// What no schema of Kong's can check: one name that is two consumers'.
	twice := object{"credentials": []object{{"subject_name": "a", "consumer": "one"}, {"subject_name": "a", "consumer": "two"}}}
	r := newRig(t, cas{idA: root}, routes{
		"/twice": trusted([]string{idA}, twice),
		"/other": trusted([]string{idA}, twice, object{"anonymous": "guest"}),
		"/right": trusted([]string{idA}, object{"send_ca_dn": true}),
	})
	for path, field := range map[string]string{"/twice": "credentials", "/other": "credentials"} {
		for _, cert := range []*pki.Certificate{root.Client("client"), nil} {
			r.expect(path, r.get(path, cert), 500, internal)
			r.expectLog(path, "[error]", `reason="bad_config"`, "config."+field)
		}
	}
	r.expect("a right one", r.get("/right", root.Client("client")), 200, "")
	warned := 0
	for _, line := range r.pluginLines() {
		if strings.Contains(line, "send_ca_dn") {
			warned++
		}
	}
	// In Lua mode the plugin sends the names.
	if want := map[mode]int{pluginServerMode: 1}[r.mode]; warned != want {
		t.Errorf("send_ca_dn was warned of %d times in Kong's log, want %d", warned, want)
	}
}

// With the nginx directive in place of the pre-function, no chain arrives.
func TestWithTheNginxDirective(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	inter := root.Intermediate("inter")
	r := newRig(t, cas{idA: root, idB: inter}, routes{
		"/root": trusted([]string{idA}), "/both": trusted([]string{idA, idB}),
	}, func(o *anykong.Options) {
		o.SSLVerifyClient = "optional_no_ca"
		o.Config = withoutPreFunction(t, o.Config)
	})
	leaf := inter.Client("client")
	r.expect("none sent", r.get("/both", nil), 401, noneSent)
	r.expect("intermediate configured", r.get("/both", leaf), 200, "")
	r.expect("intermediate only sent", r.get("/root", leaf), 401, failed)
	if got := r.get("/root", root.Client("client", pki.Expired())); got.status != 400 {
		t.Errorf("expired: got %d, want nginx's own 400", got.status)
	}
}

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	lua "mtls-auth/kong"
	"mtls-auth/mtlsauth/cli"
	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// doctor runs the command and returns its exit code and what it writes.
func doctor(r *rig, more ...string) (code int, text string) {
	r.t.Helper()
	var out bytes.Buffer
	args := append([]string{"mtls-auth", "doctor", "-kong-prefix", r.prefix}, more...)
	code = cli.Run(args, nil, &out, &out)
	return code, out.String()
}

// expectDoctor fails unless doctor has a line that begins and goes on so, with this cure
// below it, and the right exit code.
func expectDoctor(r *rig, name, line, cure string, more ...string) {
	r.t.Helper()
	code, text := doctor(r, more...)
	found := regexp.MustCompile(`(?m)^` + line + `.*\n\s+cure: .*` + cure).MatchString(text)
	if want := map[bool]int{true: 1, false: 0}[strings.HasPrefix(line, "FAIL")]; !found || code < want {
		r.t.Errorf("%s: exit %d, no line %q with the cure %q in\n%s", name, code, line, cure, text)
	}
}

// One mistake at a time: each is found, with its cure, and a good node has no FAIL.
func TestDoctor(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root", pki.Valid(time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0)))
	good := object{"ca_certificates": []string{idA}, "skip_consumer_lookup": true, "revocation_check_mode": "SKIP"}
	authorities := cas{
		idA: root, idC: root.Intermediate("issuing"),
		idB: pki.NewCA("soon", pki.Valid(time.Now().Add(-time.Hour), time.Now().Add(5*24*time.Hour+time.Hour))),
	}
	hosts := func(o *realkong.Options) {
		o.Config = bytes.ReplaceAll(o.Config, []byte(`"paths":["/echo"]`), []byte(`"hosts":["api.example.com"],"paths":["/echo"]`))
	}
	rigOf := newLuaRig // with a plugin server of Kong's
	if os.Getenv(realkong.Variable) != "" {
		rigOf = func(t testing.TB, authorities cas, plugins routes, change ...func(*realkong.Options)) *rig {
			return newTwoLineRig(t.(*testing.T), authorities, plugins, change...) // of which GET / is 500
		}
	}
	r := rigOf(t, authorities, routes{"/echo": good}, hosts)
	if r.AdminURL() == "" {
		t.Skip("needs an Admin API")
	}
	client := root.Client("client")
	dir := t.TempDir()
	at := func(name, text string) string {
		path := filepath.Join(dir, name)
		writeFile(t, path, text)
		return path
	}
	configured := func(t *testing.T, config object) {
		t.Helper()
		o := realkong.Options{}
		o.Config = declarative(t, r.upstream, authorities, routes{"/echo": config})
		hosts(&o)
		if err := r.Configure(o.Config); err != nil {
			t.Fatal(err)
		}
	}

	eventually(t, "a good node has no FAIL", func() bool {
		code, _ := doctor(r)
		return code == 0
	})
	code, text := doctor(r, "-cert", at("client.pem", client.PEM()), "-key", at("client.key", client.KeyPEM()))
	for _, want := range []string{
		`ok    Admin API  .*GET / answers 200`, `ok    plugin mtls-auth  loaded`, `ok    Lua files  .*version`, `ok    server  .*answers`,
		`ok    CA aaaaaaaa…  .*CN=root, self-signed`, `ok    handshake  .* as api.example.com: a certificate is asked for, of any CA`,
		`ok    answer  .*passes, by the certificate alone`,
	} {
		if !regexp.MustCompile(`(?m)^`+strings.ReplaceAll(want, "  ", ` +`)).MatchString(text) || code != 0 {
			t.Errorf("a good node: exit %d, no %q in\n%s", code, want, text)
		}
	}

	expectDoctor(r, "another SNI", `FAIL +handshake .*asks for no certificate`, `api\.example\.com`, "-sni", "www.example.com")
	expectDoctor(r, "plain HTTP", `FAIL +handshake `, `correct -connect`, "-connect", strings.TrimPrefix(r.URL(), "http://"))
	expectDoctor(r, "nothing there", `FAIL +handshake .*refused`, `start Kong`, "-connect", "127.0.0.1:1")
	expectDoctor(r, "another Admin API", `FAIL +Admin API .*does not answer`, `-admin-url`, "-admin-url", "http://127.0.0.1:1")
	expectDoctor(r, "a plain http Admin API elsewhere", `FAIL +Admin API .*-admin-allow-http`, `correct the flag`, "-admin-url", "http://192.0.2.1:8001")
	expectDoctor(r, "no Admin API", `FAIL +(Admin API|GET /) `, ``, "-admin-url", r.upstream)
	stranger := pki.NewCA("another").Client("stranger")
	expectDoctor(r, "another CA", `FAIL +answer .*401 .*issuer_not_found`, `CN=another`, "-cert", at("stranger.pem", stranger.PEM()))
	expectDoctor(r, "expired", `FAIL +answer .*expired`, `Renew it`, "-cert", at("expired.pem", root.Client("client", pki.Expired()).PEM()))
	expectDoctor(r, "another key", `FAIL +client's key `, `belongs to`, "-cert", at("client.pem", client.PEM()), "-key", at("other.key", stranger.KeyPEM()))
	expectDoctor(r, "a responder that is away", `FAIL +revocation URL +http://127\.0\.0\.1:1/ocsp`, `reach it`,
		"-cert", at("ocsp.pem", root.Client("client", pki.OCSPServer("http://127.0.0.1:1/ocsp")).PEM()))
	host := pki.NewCRLHost(pki.CRL{Issuer: root}.DER())
	url := host.Start()
	t.Cleanup(host.Close)
	if _, text := doctor(r, "-cert", at("crl.pem", root.Client("client", pki.CRLDistributionPoint(url)).PEM())); !strings.Contains(text, url+" answers") {
		t.Errorf("a host of CRLs that is there:\n%s", text)
	}

	for _, test := range []struct {
		name       string
		change     object
		line, cure string
	}{
		{"an id that Kong has not", object{"ca_certificates": []string{idA, "dddddddd-0000-4000-8000-000000000004"}}, `FAIL +CA dddddddd… .*no CA certificate with this id`, `create`},
		{"a CA that expires soon", object{"ca_certificates": []string{idA, idB}}, `warn +CA bbbbbbbb… .*expires in 5 days`, `renew it`},
		{"an intermediate alone", object{"ca_certificates": []string{idC}}, `FAIL +configuration +route \S+: .*trust anchor`, `allow_partial_chain`},
		{"an anonymous that is not there", object{"anonymous": "ghost"}, `FAIL +configuration +route \S+: .*"ghost", which does not exist`, `create the consumer`},
		{"a default_consumer that is not there", object{"default_consumer": "ghost", "skip_consumer_lookup": false}, `FAIL +configuration +route \S+: .*"ghost"`, `correct default_consumer`},
	} {
		config := object{}
		for field, value := range good {
			config[field] = value
		}
		for field, value := range test.change {
			config[field] = value
		}
		configured(t, config)
		expectDoctor(r, test.name, test.line, test.cure)
	}
	configured(t, object{"ca_certificates": []string{idA}, "revocation_check_mode": "SKIP"})
	expectDoctor(r, "no consumer", `FAIL +answer .*no_consumer`, `Create a consumer`, "-cert", at("client.pem", client.PEM()))

	if err := os.Chmod(r.prefix, 0o777); err != nil {
		t.Fatal(err)
	}
	expectDoctor(r, "a prefix for all", `FAIL +prefix .*any user`, `chmod o-w`)
	if err := os.Chmod(r.prefix, 0o755); err != nil {
		t.Fatal(err)
	}
	expectDoctor(r, "a prefix that is not there", `FAIL +prefix `, `-kong-prefix`, "-kong-prefix", filepath.Join(dir, "absent"))
	if err := os.Rename(r.socket, r.socket+".away"); err != nil {
		t.Fatal(err)
	}
	if _, text := doctor(r); !strings.Contains(text, "there is no socket at") && !strings.Contains(text, "0 FAIL") {
		t.Errorf("without a socket:\n%s", text) // the server makes another within a second
	}
}

// Of header-cert-auth it checks who can send the header, and what would be answered.
func TestDoctorOfHeaders(t *testing.T) {
	t.Parallel()
	if chosenMode(t) != luaMode {
		t.Skip("about Lua mode")
	}
	root := pki.NewCA("root")
	settings := header("x-client-cert", "base64_encoded", object{"skip_consumer_lookup": false, "consumer_by": []string{"username"}})
	people := with(t, consumers(
		consumer(idAlice, "alice", object{"header_cert_auth_credentials": []object{{"id": idC, "subject_name": "mapped"}}}),
		consumer(idBob, "bob", object{"mtls_auth_credentials": []object{{"id": idC, "subject_name": "other"}}}),
	))
	rigOf := func(t *testing.T, config object, trusted ...string) *rig {
		t.Helper()
		return newRigIn(t, luaMode, cas{idA: root}, routes{"/echo": config}, func(o *realkong.Options) {
			people(&o.Options)
			o.Config = bytes.ReplaceAll(o.Config, []byte(`"name":"mtls-auth"`), []byte(`"name":"`+lua.HeaderName+`"`))
			if o.TrustedIPs = trusted; os.Getenv(realkong.Variable) != "" {
				twoLines(o)
			}
		})
	}
	r := rigOf(t, settings, "127.0.0.1")
	if r.AdminURL() == "" {
		t.Skip("needs an Admin API")
	}
	dir := t.TempDir()
	file := func(c *pki.Certificate) string {
		path := filepath.Join(dir, c.Subject.CommonName+".pem")
		writeFile(t, path, c.PEM())
		return path
	}
	eventually(t, "a good node has no FAIL", func() bool {
		code, text := doctor(r)
		return code == 0 && strings.Contains(text, "no plugin needs one") // Kong 3.4 asks until it has read the routes
	})
	_, text := doctor(r, "-cert", file(root.Client("mapped")))
	for _, want := range []string{
		`ok +plugin header-cert-auth +loaded`, `ok +Lua files +\S+/kong/plugins/header-cert-auth, version`, `ok +trusted_ips +header-cert-auth, route \S+: x-client-cert is believed from 127\.0\.0\.1`,
		`ok +answer +header-cert-auth, route \S+: passes, as the consumer alice`,
	} {
		if !regexp.MustCompile(`(?m)^` + want).MatchString(text) {
			t.Errorf("a good node: no %q in\n%s", want, text)
		}
	}
	expectDoctor(r, "header buffers", `warn +header buffers .*over 8 KiB`, `nginx_proxy_large_client_header_buffers`)
	expectDoctor(r, "mtls-auth's credential", `FAIL +answer +header-cert-auth, .*no_consumer`, ``, "-cert", file(root.Client("other")))

	open := header("x-client-cert", "base64_encoded", object{"secure_source": false})
	expectDoctor(rigOf(t, open), "any source", `warn +configuration +header-cert-auth, .*secure_source is off`, `set secure_source`)
	for _, test := range []struct {
		name       string
		trusted    []string
		line, cure string
	}{
		{"no proxy", nil, `FAIL +trusted_ips +header-cert-auth, .*every request gets 401`, `trusted_ips = the proxy`},
		{"all of IPv4", []string{"10.0.0.1", "0.0.0.0/0"}, `warn +trusted_ips +header-cert-auth, .*every client`, `name the proxy`},
		{"all of IPv4 in halves", []string{"0.0.0.0/1", "128.0.0.0/1"}, `warn +trusted_ips +header-cert-auth, .*every client`, `name the proxy`},
		{"all of IPv6", []string{"::/0"}, `warn +trusted_ips +header-cert-auth, .*every client`, `name the proxy`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			expectDoctor(rigOf(t, settings, test.trusted...), test.name, test.line, test.cure)
		})
	}
}

// A node without an Admin API is judged by its declarative file.
func TestDoctorWithoutAdminAPI(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	client := filepath.Join(t.TempDir(), "client.pem")
	writeFile(t, client, root.Client("client").PEM())
	r := newLuaRig(t, cas{idA: root}, routes{
		"/echo": trusted([]string{idA}), "/ghost": trusted([]string{idA}, object{"anonymous": "ghost"}), "/lost": trusted([]string{idB}),
	}, func(o *realkong.Options) { o.AdminListen, o.NoAdmin = "off", true })
	_, text := doctor(r, "-cert", client)
	for _, want := range []string{
		`ok +Admin API +none: .*declarative file`, `ok +plugin mtls-auth +enabled in kong\.conf`, `ok +configurations +3 in use`, `(ok|warn) +CA aaaaaaaa… +CN=root`,
		`FAIL +CA bbbbbbbb… .*no CA certificate with this id`, `FAIL +configuration .*"ghost", which does not exist`, `ok +answer .*passes, by the certificate alone`,
	} {
		if !regexp.MustCompile(`(?m)^` + want).MatchString(text) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

package fakekong_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/handshake"
	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/fakekong"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// fake is a running fake Kong with the probe plugin and an echoing upstream.
type fake struct {
	*fakekong.Kong
	t        *testing.T
	upstream string
}

// start starts one; config is the declarative file, with UPSTREAM and
// PREFUNCTION in it replaced.
func start(t *testing.T, config string, change ...func(*anykong.Options)) *fake {
	t.Helper()
	s, err := tryStart(t, config, change...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tryStart(t *testing.T, config string, change ...func(*anykong.Options)) (*fake, error) {
	t.Helper()
	upstream := httptest.NewServer(fakekong.Echo)
	t.Cleanup(upstream.Close)
	prefix, err := os.MkdirTemp("", "fakekong") // t.TempDir is too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(prefix) })
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// A race detector would wait a second at each process's end.
	command := "/usr/bin/env GORACE=atexit_sleep_ms=0 " + asPlugin + "=1 " + binary
	o := anykong.Options{
		Prefix: prefix, Config: []byte(fill(config, upstream.URL)),
		QueryCommand: command + " -dump " + prefix, StartCommand: command + " -serve " + prefix,
		LogLevel: "info", ReloadGrace: 300 * time.Millisecond,
	}
	for _, c := range change {
		c(&o)
	}
	k, err := fakekong.Start(context.Background(), o)
	if err != nil {
		return nil, err
	}
	t.Cleanup(k.Close)
	s := &fake{k, t, upstream.URL}
	if o.QueryCommand != "" && o.StartCommand != "" {
		s.wait("the plugin's socket", func() bool { return s.Log().Count(errlog.Info, "] plugin up") > 0 })
		time.Sleep(20 * time.Millisecond)
	}
	return s, nil
}

func fill(config, upstream string) string {
	code := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	return strings.NewReplacer("UPSTREAM", upstream, "PREFUNCTION",
		`{name: pre-function, config: {certificate: [`+code(handshake.Certificate)+`], access: [`+code(handshake.Access)+`]}}`).Replace(config)
}

func (s *fake) wait(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(5 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("waited in vain for %s; log: %v", what, s.Log().Lines())
		}
	}
}

// client makes an HTTPS client, with a certificate or nil.
func (s *fake) client(cert *pki.Certificate, change ...func(*http.Transport)) *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.RootPEM())
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}}
	if cert != nil {
		tr.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			c := cert.TLS()
			return &c, nil
		}
	}
	for _, c := range change {
		c(tr)
	}
	s.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second}
}

type answer struct {
	*http.Response
	body string
	echo fakekong.Echoed
}

func (s *fake) get(c *http.Client, url string, header ...string) answer {
	s.t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header[header[i]] = append(req.Header[header[i]], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{Response: res, body: string(b)}
	if res.StatusCode == 200 {
		if err := json.Unmarshal(b, &a.echo); err != nil {
			s.t.Fatalf("%s: %v", b, err)
		}
	}
	return a
}

func (a answer) header(name string) string {
	return http.Header(a.echo.Headers).Get(name)
}

func (a answer) variable(name string) string {
	v, _ := url.QueryUnescape(a.header("X-Var-" + strings.ReplaceAll(name, "_", "-")))
	return v
}

const probing = `
_format_version: "3.0"
services:
- name: echo
  url: UPSTREAM/base
  routes:
  - {name: vars, paths: [/vars], plugins: [{name: probe, config: {vars: [ssl_client_raw_cert, ssl_client_verify, ssl_client_s_dn, ssl_client_serial, ssl_client_raw_cert, ssl_session_reused, ssl_server_name, ssl_protocol, https, scheme, nonsense, connection_requests]}}]}
  - {name: exit, paths: [/exit], plugins: [{name: probe, config: {mode: exit}}]}
  - {name: override, paths: [/override], plugins: [{name: probe, config: {mode: override}}]}
  - {name: slow, paths: [/slow], plugins: [{name: probe, config: {mode: slow}}]}
  - {name: login, paths: [/login], plugins: [{name: probe, config: {mode: authenticate}}]}
  - {name: bare, paths: [/bare]}
  - {name: secure, paths: [/secure], protocols: [https]}
consumers:
- {id: 11111111-1111-4111-8111-111111111111, username: alice, custom_id: c-1}
`

const withHandshake = probing + "plugins: [PREFUNCTION]\n"

func TestProxying(t *testing.T) {
	s := start(t, withHandshake)
	a := s.get(s.client(nil), s.URLTLS()+"/bare/x?q=1", "X-Forwarded-For", "1.2.3.4", "Connection", "close, X-Gone", "X-Gone", "1")
	if a.StatusCode != 200 || a.echo.Path != "/base/x" || a.echo.Query != "q=1" {
		t.Errorf("%d %s %+v", a.StatusCode, a.body, a.echo)
	}
	for name, want := range map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-For": "1.2.3.4, 127.0.0.1", "X-Real-Ip": "127.0.0.1",
		"X-Forwarded-Prefix": "/bare", "X-Forwarded-Path": "/bare/x", "X-Gone": "", "Via": "1.1 fakekong"} {
		if got := a.header(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if a.Header.Get("Via") != "1.1 fakekong" {
		t.Errorf("Via %q", a.Header.Get("Via"))
	}
	a = s.get(s.client(nil), s.URL()+"/nowhere")
	if a.StatusCode != 404 || !strings.HasPrefix(a.body, `{"message":"no Route matched with those values","request_id":"`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a = s.get(s.client(nil), s.URL()+"/secure"); a.StatusCode != 426 || !strings.Contains(a.body, "Please use HTTPS protocol") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if s.Log().Count(errlog.Notice, "NOT FOR PRODUCTION") != 1 {
		t.Error("it does not say what it is")
	}
}

func TestVariables(t *testing.T) {
	s := start(t, withHandshake)
	leaf := pki.NewCA("root").Intermediate("inter").Client("alice")
	for _, h2 := range []bool{false, true} {
		c := s.client(leaf, func(tr *http.Transport) { tr.ForceAttemptHTTP2 = h2 })
		for n := 1; n <= 2; n++ {
			a := s.get(c, s.URLTLS()+"/vars")
			if (a.ProtoMajor == 2) != h2 {
				t.Fatalf("protocol %s", a.Proto)
			}
			for name, want := range map[string]string{
				"ssl_client_raw_cert": leaf.PEM(), "ssl_client_verify": "FAILED:unable to get local issuer certificate",
				"ssl_session_reused": ".", "ssl_server_name": "localhost", "https": "on", "scheme": "https", "nonsense": "",
				"connection_requests": fmt.Sprint(n),
			} {
				if got := a.variable(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if got := a.header("X-Chain"); got != "2" {
				t.Errorf("%s certificates in the chain, want leaf and intermediate", got)
			}
		}
	}
	a := s.get(s.client(nil), s.URLTLS()+"/vars")
	if a.variable("ssl_client_raw_cert") != "" || a.variable("ssl_client_verify") != "NONE" || a.header("X-Chain") != "0" {
		t.Errorf("without a certificate: %v", a.echo.Headers)
	}
	a = s.get(s.client(nil), s.URL()+"/vars")
	if a.variable("ssl_client_verify") != "" || a.variable("https") != "" || a.variable("scheme") != "http" {
		t.Errorf("plain HTTP: %v", a.echo.Headers)
	}
}

// Every kind of certificate reaches the plugin through the handshake code;
// under ssl_verify_client nginx refuses some itself.
func TestVerifyTexts(t *testing.T) {
	t.Parallel()
	ca := pki.NewCA("root")
	critical := pki.With(func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, unknownCritical)
	})
	for _, test := range []struct {
		name string
		cert *pki.Certificate
		text string
		page bool
	}{
		{"good", ca.Intermediate("i").Client("a"), "unable to get local issuer certificate", false},
		{"no intermediate", ca.Client("a"), "unable to verify the first certificate", false},
		{"self-signed", pki.NewSelfSigned("a"), "self-signed certificate", false},
		{"expired", ca.Client("a", pki.Expired()), "certificate has expired", true},
		{"not yet valid", ca.Client("a", pki.NotYetValid()), "certificate is not yet valid", true},
		{"server only", ca.Client("a", pki.ExtKeyUsage(x509.ExtKeyUsageServerAuth)), "unsuitable certificate purpose", true},
		{"unknown critical extension", ca.Client("a", critical), "unhandled critical extension", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, withHandshake)
			a := s.get(s.client(test.cert), s.URLTLS()+"/vars")
			if got := a.variable("ssl_client_verify"); got != "FAILED:"+test.text {
				t.Errorf("%q, want %q", got, test.text)
			}
			s = start(t, probing, func(o *anykong.Options) { o.SSLVerifyClient = "optional_no_ca" })
			a = s.get(s.client(test.cert), s.URLTLS()+"/vars")
			if test.page != (a.StatusCode == 400 && strings.Contains(a.body, "The SSL certificate error")) {
				t.Errorf("nginx's own answer: %d %s", a.StatusCode, a.body)
			}
			if !test.page && (a.variable("ssl_client_verify") != "FAILED:"+test.text || a.header("X-Chain") != "0") {
				t.Errorf("%v", a.echo.Headers)
			}
		})
	}
}

func TestNotAsked(t *testing.T) {
	s := start(t, probing)
	a := s.get(s.client(pki.NewCA("root").Client("a")), s.URLTLS()+"/vars")
	if got := a.variable("ssl_client_verify"); got != "NONE" {
		t.Errorf("%q", got)
	}
}

// A resumed session has the leaf; with the handshake code none is resumed.
func TestResumption(t *testing.T) {
	leaf := pki.NewCA("root").Intermediate("i").Client("alice")
	for _, test := range []struct {
		name, config, verify, want string
	}{{"nginx", probing, "optional_no_ca", "r"}, {"handshake", withHandshake, "", "."}} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(test.name+" "+tls.VersionName(version), func(t *testing.T) {
				s := start(t, test.config, func(o *anykong.Options) { o.SSLVerifyClient = test.verify })
				c := s.client(leaf, func(tr *http.Transport) {
					tr.DisableKeepAlives = true
					tr.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(4)
					tr.TLSClientConfig.MaxVersion = version
				})
				first, second := s.get(c, s.URLTLS()+"/vars"), s.get(c, s.URLTLS()+"/vars")
				if first.variable("ssl_session_reused") != "." || second.variable("ssl_session_reused") != test.want {
					t.Errorf("reused %q then %q", first.variable("ssl_session_reused"), second.variable("ssl_session_reused"))
				}
				for _, name := range []string{"ssl_client_raw_cert", "ssl_client_verify", "ssl_client_raw_cert"} {
					if a, b := first.variable(name), second.variable(name); a == "" || a != b {
						t.Errorf("%s: %q, then %q", name, a, b)
					}
				}
			})
		}
	}
}

func TestExit(t *testing.T) {
	s := start(t, withHandshake)
	for _, c := range []*http.Client{s.client(nil), s.client(nil, func(tr *http.Transport) { tr.ForceAttemptHTTP2 = true })} {
		a := s.get(c, s.URLTLS()+"/exit")
		if a.StatusCode != 401 || a.body != `{"message":"no"}` || a.Header.Get("Content-Type") != "application/json" ||
			len(a.Header.Values("X-Plugin")) != 2 || a.Header.Get("X-Kong-Response-Latency") == "" || a.Header.Get("Via") == "" {
			t.Errorf("%d %s %v", a.StatusCode, a.body, a.Header)
		}
	}
}

// The handshake code drops spellings with _ of the plugin's headers.
func TestLookAlikes(t *testing.T) {
	for config, want := range map[string]int{withHandshake: 0, probing: 3} {
		s := start(t, config)
		a := s.get(s.client(nil), s.URLTLS()+"/bare", "X_Consumer_ID", "e", "x-consumer_username", "e", "X_Client-Cert-San", "e", "X_Other", "ok")
		got := 0
		for name := range a.echo.Headers {
			if strings.Contains(name, "_") && slices.Contains(handshake.Headers(), strings.ReplaceAll(strings.ToLower(name), "_", "-")) {
				got++
			}
		}
		if got != want || !strings.Contains(a.body, "ther") {
			t.Errorf("%d look-alikes, want %d: %s", got, want, a.body)
		}
	}
}

func TestAccessLog(t *testing.T) {
	s := start(t, withHandshake)
	leaf := pki.NewCA("root").Client("alice")
	s.get(s.client(leaf), s.URLTLS()+"/override")
	s.get(s.client(leaf), s.URLTLS()+"/bare")
	s.get(s.client(nil), s.URL()+"/bare")
	s.wait("records", func() bool { return len(s.Access()) == 3 })
	got := s.Access()
	if v := got[0].Request.TLS.ClientVerify; v != "FAILED:revoked" {
		t.Errorf("override: %q", v)
	}
	if v := got[1].Request.TLS.ClientVerify; v != "FAILED:unable to verify the first certificate" {
		t.Errorf("nginx's: %q", v)
	}
	if got[2].Request.TLS != nil {
		t.Errorf("plain: %+v", got[2])
	}
}

// What the plugin is started with.
func TestInstanceConfiguration(t *testing.T) {
	s := start(t, probing)
	a := s.get(s.client(nil), s.URL()+"/slow")
	var conf map[string]any
	if err := json.Unmarshal([]byte(a.header("X-Conf")), &conf); err != nil {
		t.Fatal(err)
	}
	id, _ := conf["route_id"].(string)
	if want := "plugins:probe:" + id + "::::" + fmt.Sprint(conf["__ws_id"]); id == "" || conf["__key__"] != want {
		t.Errorf("__key__ %v, want %s", conf["__key__"], want)
	}
	for field, want := range map[string]string{"mode": `"slow"`, "vars": `["ssl_client_verify"]`} {
		if got, _ := json.Marshal(conf[field]); string(got) != want {
			t.Errorf("%s %s, want %s", field, got, want)
		}
	}
	if _, ok := conf["__seq__"].(float64); !ok || conf["__plugin_id"] == nil {
		t.Errorf("configuration %v", conf)
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	s := start(t, withHandshake)
	first := s.get(s.client(nil), s.URL()+"/vars").header("X-Pid")
	slow := make(chan answer)
	go func() { slow <- s.get(s.client(nil), s.URL()+"/slow") }()
	time.Sleep(50 * time.Millisecond)
	if err := s.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.wait("the new process", func() bool { return s.Log().Count(errlog.Info, "] plugin up") == 2 })
	time.Sleep(20 * time.Millisecond)
	if a := s.get(s.client(nil), s.URL()+"/vars"); a.StatusCode != 200 || a.header("X-Pid") == first {
		t.Errorf("%d from pid %s, the first was %s", a.StatusCode, a.header("X-Pid"), first)
	}
	if s.Log().Count(errlog.Info, "plugin got SIGTERM") != 0 {
		t.Error("SIGTERM before the grace was over")
	}
	if a := <-slow; a.StatusCode != 200 || a.header("X-Pid") != first {
		t.Errorf("the request in flight: %d from pid %s", a.StatusCode, a.header("X-Pid"))
	}
	s.wait("SIGTERM", func() bool { return s.Log().Count(errlog.Info, "plugin got SIGTERM") == 1 })
	s.wait("its end", func() bool { return s.Log().Count(errlog.Notice, "pluginserver 'probe' not respawned.") == 1 })
	if a := s.get(s.client(nil), s.URL()+"/vars"); a.StatusCode != 200 {
		t.Errorf("after the old one's end: %d", a.StatusCode)
	}
}

// A killed process is started again; its instances are unknown to the next,
// which closes, and Kong starts them again.
func TestKill(t *testing.T) {
	t.Parallel()
	s := start(t, withHandshake)
	first := s.get(s.client(nil), s.URL()+"/vars").header("X-Pid")
	time.Sleep(time.Second)
	s.Process().Kill()
	s.wait("the new process", func() bool { return s.Log().Count(errlog.Info, "] plugin up") == 2 })
	time.Sleep(20 * time.Millisecond)
	a := s.get(s.client(nil), s.URL()+"/vars")
	if a.StatusCode != 200 || a.header("X-Pid") == first {
		t.Errorf("%d from pid %s", a.StatusCode, a.header("X-Pid"))
	}
	if s.Client().Repeats() == 0 || s.Log().Count(errlog.Warn, "pb_rpc.lua:378 [probe] closed") == 0 {
		t.Errorf("no repeat: %v", s.Log().Lines())
	}
}

func TestEnvFile(t *testing.T) {
	var prefix string
	s := start(t, probing, func(o *anykong.Options) { prefix = o.Prefix })
	path := filepath.Join(prefix, ".kong_env")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := "\nadmin_listen = " + strings.TrimPrefix(s.AdminURL(), "http://") + "\n"; !strings.Contains(string(text), want) {
		t.Errorf("%s\nlacks %q", text, want)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v %v", info.Mode(), err)
	}
	start(t, probing, func(o *anykong.Options) { o.AdminListen = "off"; prefix = o.Prefix })
	if text, _ = os.ReadFile(filepath.Join(prefix, ".kong_env")); !strings.Contains(string(text), "\nadmin_listen = off\n") {
		t.Errorf("%s", text)
	}
}

package fakekong_test

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

var unknownCritical = pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4, 5}, Critical: true, Value: []byte{5, 0}}

// doc is a declarative file in JSON, which is YAML too.
func doc(t *testing.T, entities map[string]any) string {
	t.Helper()
	entities["_format_version"] = "3.0"
	b, err := json.Marshal(entities)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	ca := pki.NewCA("root")
	type m = map[string]any
	type l = []any
	for _, test := range []struct {
		name string
		doc  m
		want string
	}{
		{"mtls_auth_credentials", m{"mtls_auth_credentials": l{}}, "in 'mtls_auth_credentials': unknown field"},
		{"nested mtls_auth_credentials", m{"consumers": l{m{"username": "a", "mtls_auth_credentials": l{}}}}, "in 'consumers.1.mtls_auth_credentials': unknown field"},
		{"unknown field", m{"services": l{m{"url": "http://x", "uri": "y"}}}, "in 'services.1.uri': unknown field"},
		{"unknown plugin", m{"plugins": l{m{"name": "jwt"}}}, "in 'plugins.1.name': plugin 'jwt' not enabled; add it to the 'plugins' configuration property"},
		{"configuration", m{"plugins": l{m{"name": "probe", "config": m{"mod": "x"}}}}, "in 'plugins.1': config.mod: unknown field"},
		{"Lua that does not compile", m{"plugins": l{m{"name": "pre-function", "config": m{"access": l{"retrun 1"}}}}}, "parse error"},
		{"Lua in another phase", m{"plugins": l{m{"name": "pre-function", "config": m{"log": l{"return"}}}}}, "in 'plugins.1.config.log.1': the phases certificate and access are emulated"},
		{"plugin twice", m{"plugins": l{m{"name": "probe"}, m{"name": "probe"}}}, "uniqueness violation"},
		{"route of no service", m{"routes": l{m{"paths": l{"/"}, "service": "x"}}}, "in 'routes.1.service': no service \"x\""},
		{"route without anything", m{"routes": l{m{"name": "x"}}}, "must set one of 'methods', 'hosts', 'headers', 'paths', 'snis'"},
		{"consumer without a name", m{"consumers": l{m{"id": "11111111-1111-4111-8111-111111111111"}}}, "at least one of these fields must be non-empty: 'custom_id', 'username'"},
		{"consumer twice", m{"consumers": l{m{"username": "a"}, m{"username": "a", "custom_id": "b"}}}, "uniqueness violation: 'a'"},
		{"id", m{"ca_certificates": l{m{"id": "x", "cert": ca.PEM()}}}, "in 'ca_certificates.1.id': expected a valid UUID"},
		{"two certificates", m{"ca_certificates": l{m{"cert": ca.PEM() + ca.PEM()}}}, "please submit only one certificate at a time"},
		{"no CA", m{"ca_certificates": l{m{"cert": ca.Client("a").PEM()}}}, `certificate does not appear to be a CA because it is missing the "CA" basic constraint`},
		{"expired CA", m{"ca_certificates": l{m{"cert": pki.NewCA("x", pki.Expired()).PEM()}}}, `certificate expired, "Not After" time is in the past`},
		{"no certificate", m{"ca_certificates": l{m{"cert": "x"}}}, "invalid certificate"},
		{"not a list", m{"services": m{}}, "in 'services': expected an array"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := tryStart(t, doc(t, test.doc))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestStartsThatAreRefused(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*anykong.Options)
		want   string
	}{
		{"phase", func(o *anykong.Options) {
			o.QueryCommand = `echo '{"Protocol":"ProtoBuf:1","Plugins":[{"Name":"x","Version":"1.0.0","Priority":1,"Phases":["log"],"Schema":{}}]}'`
		}, "has a phase log"},
		{"dump", func(o *anykong.Options) { o.QueryCommand = "true" }, "failed decoding plugin info"},
		{"address", func(o *anykong.Options) { o.Listen = "0.0.0.0:0" }, "loopback addresses only"},
		{"ssl_verify_client", func(o *anykong.Options) { o.SSLVerifyClient = "on" }, "optional_no_ca"},
		{"log level", func(o *anykong.Options) { o.LogLevel = "loud" }, `log_level "loud"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := tryStart(t, `_format_version: "3.0"`, test.change); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestAdminAPI(t *testing.T) {
	ca := pki.NewCA("root")
	const id = "6f1c1a5e-1a5e-4c1a-9a5e-6f1c1a5e4c1a"
	entities := map[string]any{
		"ca_certificates": []any{map[string]any{"id": id, "cert": ca.PEM()}},
		"consumers":       []any{map[string]any{"username": "alice", "custom_id": "c-1"}},
	}
	s := start(t, doc(t, entities), func(o *anykong.Options) { o.QueryCommand, o.StartCommand = "", "" })
	get := func(path string) (int, map[string]any) {
		t.Helper()
		res, err := http.Get(s.AdminURL() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var body map[string]any
		if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, body
	}
	if code, body := get("/ca_certificates/" + id); code != 200 || body["cert"] != ca.PEM() || body["id"] != id || body["cert_digest"] != ca.Fingerprint() {
		t.Errorf("%d %v", code, body)
	}
	_, alice := get("/consumers/alice")
	if alice["custom_id"] != "c-1" || alice["id"] == nil {
		t.Errorf("%v", alice)
	}
	if code, body := get("/consumers/" + alice["id"].(string)); code != 200 || body["username"] != "alice" {
		t.Errorf("%d %v", code, body)
	}
	if code, body := get("/consumers?custom_id=c-1"); code != 200 || len(body["data"].([]any)) != 1 {
		t.Errorf("%d %v", code, body)
	}
	if code, body := get("/consumers?custom_id=c-2"); code != 200 || len(body["data"].([]any)) != 0 {
		t.Errorf("%d %v", code, body)
	}
	for _, path := range []string{"/ca_certificates/" + strings.Replace(id, "6", "7", 1), "/consumers/bob", "/consumers/c-1", "/nothing"} {
		if code, body := get(path); code != 404 || body["message"] != "Not found" {
			t.Errorf("%s: %d %v", path, code, body)
		}
	}
	post := func(text string) (int, string) {
		t.Helper()
		res, err := http.Post(s.AdminURL()+"/config", "text/yaml", bytes.NewBufferString(text))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	if code, body := post("_format_version: '3.0'\nconsumerz: []"); code != 400 || !strings.Contains(body, `"consumerz":"unknown field"`) {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := get("/consumers/alice"); code != 200 {
		t.Error("a refused configuration is in force")
	}
	wrapped, _ := json.Marshal(map[string]string{"config": "_format_version: '3.0'\nconsumers: [{username: bob}]"})
	for _, text := range []string{"_format_version: '3.0'\nconsumers: [{username: bob}]", string(wrapped)} {
		if code, body := post(text); code != 201 {
			t.Errorf("%d %s", code, body)
		}
		if code, _ := get("/consumers/bob"); code != 200 {
			t.Error("bob is not there")
		}
	}
	if code, _ := get("/consumers/alice"); code != 404 {
		t.Error("alice is still there")
	}
}

// Every reload of the configuration starts new instances and closes the old.
func TestConfigureRestartsInstances(t *testing.T) {
	s := start(t, probing)
	for n := int64(1); n <= 3; n++ {
		for range 2 {
			if a := s.get(s.client(nil), s.URL()+"/vars"); a.StatusCode != 200 {
				t.Fatalf("%d %s", a.StatusCode, a.body)
			}
		}
		if got := s.Client().Starts(); got != n {
			t.Errorf("%d starts, want %d", got, n)
		}
		if err := s.Configure([]byte(fill(probing, s.upstream))); err != nil {
			t.Fatal(err)
		}
	}
}

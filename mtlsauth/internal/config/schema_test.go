package config

import (
	"encoding/json"
	"testing"

	kongschema "mtls-auth/mtlsauth/internal/testing/fakekong/schema"
)

// kongSchema is the schema as Kong takes it, which is checked with Kong's own
// rules for schemas.
func kongSchema(t *testing.T) *kongschema.Schema {
	t.Helper()
	text, err := json.Marshal(schema("mtls-auth"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := kongschema.Parse("mtls-auth", text)
	if err != nil {
		t.Fatalf("Kong would not start with this schema: %v", err)
	}
	return s
}

func TestSchemaFillsInTheEnterpriseDefaults(t *testing.T) {
	filled, err := kongSchema(t).Fill(map[string]any{"config": map[string]any{"ca_certificates": []any{someID}}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(filled)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"config":{"allow_partial_chain":false,"anonymous":null,"authenticated_group_by":"CN",` +
		`"ca_certificates":["` + someID + `"],"cache_ttl":60,"cert_cache_ttl":60000,"consumer_by":["username","custom_id"],` +
		`"credentials":null,"default_consumer":null,"http_proxy_host":null,"http_proxy_port":null,"http_timeout":30000,` +
		`"https_proxy_host":null,"https_proxy_port":null,"revocation_check_mode":"IGNORE_CA_ERROR","san_dirname_matcher":[],` +
		`"send_ca_dn":false,"skip_consumer_lookup":false,"ssl_verify":true},"consumer":null,"protocols":["grpc","grpcs","http","https"]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Kong and the plugin must agree on what is refused: what one lets through, the
// other has to judge.
func TestSchemaAndPluginRefuseAlike(t *testing.T) {
	s := kongSchema(t)
	for _, more := range []string{
		``, `,"consumer_by":[]`, `,"consumer_by":null`, `,"authenticated_group_by":null`, `,"authenticated_group_by":"DN"`,
		`,"authenticated_group_by":"O"`, `,"revocation_check_mode":"STRICT"`, `,"revocation_check_mode":"FOO"`,
		`,"revocation_check_mode":null`, `,"anonymous":"a"`, `,"anonymous":""`, `,"default_consumer":"d"`, `,"http_timeout":0`,
		`,"http_timeout":0.5`, `,"cert_cache_ttl":-1`, `,"cert_cache_ttl":0`, `,"cache_ttl":0`, `,"cache_ttl":-1`,
		`,"http_proxy_host":"p"`, `,"http_proxy_port":1`, `,"http_proxy_host":"p","http_proxy_port":1`,
		`,"https_proxy_host":"p","https_proxy_port":65535`, `,"https_proxy_host":"p","https_proxy_port":65536`,
		`,"https_proxy_host":"p","https_proxy_port":-1`, `,"https_proxy_host":"p","https_proxy_port":1.5`,
		`,"ssl_verify":false`, `,"ssl_verify":"no"`, `,"send_ca_dn":true`, `,"san_dirname_matcher":["CN","2.5.4.3"]`,
		`,"san_dirname_matcher":[""]`, `,"credentials":[]`, `,"credentials":[{"subject_name":"s","consumer":"c"}]`,
		`,"credentials":[{"subject_name":"s"}]`, `,"credentials":[{"subject_name":"s","consumer":"c","ca_certificate":"x"}]`,
		`,"skip_consumer_lookup":"yes"`, `,"allow_partial_chain":1`, `,"ca_certificates":[]`, `,"ca_certificates":["x"]`,
		`,"ca_certificates":null`,
	} {
		text := `{"ca_certificates":["` + someID + `"]` + more + `}`
		var config map[string]any
		if err := json.Unmarshal([]byte(text), &config); err != nil {
			t.Fatal(err)
		}
		_, kongs := s.Fill(map[string]any{"config": config})
		_, ours := Parse([]byte(text))
		if (kongs == nil) != (ours == nil) {
			t.Errorf("%s\nKong: %v\nthe plugin: %v", more, kongs, ours)
		}
	}
}

func TestSchemaHasNoConsumer(t *testing.T) {
	_, err := kongSchema(t).Fill(map[string]any{
		"config":   map[string]any{"ca_certificates": []any{someID}},
		"consumer": map[string]any{"id": someID},
	})
	if err == nil {
		t.Error("the plugin can be set up for one consumer")
	}
}

package schema_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/fakekong/schema"
)

// rich has every kind of check that was tried against a real Kong.
const rich = `{"name":"rawplug","fields":[
 {"protocols":{"type":"set","required":true,"default":["https","grpcs"],"elements":{"type":"string","one_of":["https","grpcs"]}}},
 {"consumer":{"type":"foreign","reference":"consumers","eq":null}},
 {"config":{"type":"record","required":true,"fields":[
  {"ca_certificates":{"type":"array","required":true,"len_min":1,"elements":{"type":"string","uuid":true}}},
  {"secret":{"type":"string","referenceable":true}},
  {"allow_partial_chain":{"type":"boolean","default":false}},
  {"authenticated_group_by":{"type":"string","one_of":["CN","DN"],"default":"CN"}},
  {"cache_ttl":{"type":"number","default":60,"required":true}},
  {"cert_cache_ttl":{"type":"number","default":60000}},
  {"consumer_by":{"type":"array","default":["username","custom_id"],"elements":{"type":"string","one_of":["username","custom_id"]}}},
  {"depth":{"type":"integer","between":[0,10],"default":3}},
  {"gtz":{"type":"number","gt":0,"default":1}},
  {"http_timeout":{"type":"number","default":30000}},
  {"list_default_empty":{"type":"array","default":[],"elements":{"type":"string"}}},
  {"nested":{"type":"record","required":true,"fields":[{"a":{"type":"string","default":"x"}},{"b":{"type":"boolean","default":true}}]}},
  {"nested_req":{"type":"record","required":true,"fields":[{"a":{"type":"string","default":"x","description":"A letter that is x."}},{"b":{"type":"boolean","default":true}}]}},
  {"nested_opt":{"type":"record","fields":[{"a":{"type":"string","default":"x"}}]}},
  {"revocation_check_mode":{"type":"string","one_of":["SKIP","IGNORE_CA_ERROR","STRICT"],"default":"IGNORE_CA_ERROR"}},
  {"send_ca_dn":{"type":"boolean","default":false}},
  {"skip_consumer_lookup":{"type":"boolean","default":false}},
  {"tags":{"type":"set","elements":{"type":"string","match":"^%l+$"}}},
  {"http_proxy_host":{"type":"string"}},
  {"http_proxy_port":{"type":"integer","between":[0,65535]}}],
  "entity_checks":[
   {"conditional":{"if_field":"revocation_check_mode","if_match":{"eq":"STRICT"},"then_field":"http_timeout","then_match":{"gt":0}}}]}}],
 "entity_checks":[
  {"mutually_required":["config.http_proxy_host","config.http_proxy_port"]},
  {"conditional":{"if_field":"config.revocation_check_mode","if_match":{"eq":"STRICT"},"then_field":"config.cert_cache_ttl","then_match":{"gt":0}}},
  {"conditional_at_least_one_of":{"if_field":"config.authenticated_group_by","if_match":{"eq":"DN"},"then_at_least_one_of":["config.secret","config.tags"]}}]}`

func parse(t *testing.T, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Parse("rawplug", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

const id = `"6f1c1a5e-1a5e-4c1a-9a5e-6f1c1a5e4c1a"`

// What StartInstance got of a configuration with one field given.
func TestDefaults(t *testing.T) {
	got, err := parse(t, rich).Fill(object(t, `{"config":{"ca_certificates":[`+id+`]}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := object(t, `{"allow_partial_chain":false,"authenticated_group_by":"CN","ca_certificates":[`+id+`],"cache_ttl":60,
	 "cert_cache_ttl":60000,"consumer_by":["username","custom_id"],"depth":3,"gtz":1,"http_timeout":30000,"list_default_empty":[],"nested":{"a":"x","b":true},
	 "nested_req":{"a":"x","b":true},"revocation_check_mode":"IGNORE_CA_ERROR","send_ca_dn":false,"skip_consumer_lookup":false}`)
	if sent := schema.Instance(got["config"].(map[string]any)); !reflect.DeepEqual(sent, want) {
		t.Errorf("configuration\n%v, want\n%v", sent, want)
	}
	if v, there := got["config"].(map[string]any)["secret"]; !there || v != nil {
		t.Errorf("an unset field is %v (there: %v), want null", v, there)
	}
	if want := []any{"https", "grpcs"}; !reflect.DeepEqual(got["protocols"], want) {
		t.Errorf("protocols %v", got["protocols"])
	}
}

func TestGivenValues(t *testing.T) {
	got, err := parse(t, rich).Fill(object(t, `{"config":{"ca_certificates":[`+id+`],"consumer_by":null,"nested":{"b":false},"nested_opt":{},"tags":["a","b","a"],"secret":"{vault://env/x}"}}`))
	if err != nil {
		t.Fatal(err)
	}
	sent := schema.Instance(got["config"].(map[string]any))
	if _, there := sent["consumer_by"]; there {
		t.Error("a null was sent")
	}
	for field, want := range map[string]string{"nested": `{"a":"x","b":false}`, "nested_opt": `{"a":"x"}`, "tags": `["a","b"]`} {
		if got, _ := json.Marshal(sent[field]); string(got) != want {
			t.Errorf("%s %s, want %s", field, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	ca := func(rest string) string { return `{"config":{"ca_certificates":[` + id + `],` + rest + `}}` }
	for _, test := range []struct{ name, entity, want string }{
		{"none", `{}`, "config.ca_certificates: required field missing"},
		{"not a UUID", `{"config":{"ca_certificates":["nope"]}}`, "config.ca_certificates.1: expected a valid UUID"},
		{"too few", `{"config":{"ca_certificates":[]}}`, "config.ca_certificates: length must be at least 1"},
		{"one_of", ca(`"authenticated_group_by":"OU"`), "config.authenticated_group_by: expected one of: CN, DN"},
		{"between", ca(`"depth":11`), "config.depth: value should be between 0 and 10"},
		{"gt", ca(`"gtz":0`), "config.gtz: value must be greater than 0"},
		{"integer", ca(`"depth":1.5`), "config.depth: expected an integer"},
		{"match", ca(`"tags":["A1"]`), "config.tags.1: invalid value: A1"},
		{"unknown key", ca(`"nope":1`), "config.nope: unknown field"},
		{"unknown key in a record", ca(`"nested":{"c":1}`), "config.nested.c: unknown field"},
		{"text for a number", ca(`"cache_ttl":"60"`), "config.cache_ttl: expected a number"},
		{"number for a text", ca(`"secret":1`), "config.secret: expected a string"},
		{"text for a boolean", ca(`"send_ca_dn":"yes"`), "config.send_ca_dn: expected a boolean"},
		{"text for an array", ca(`"consumer_by":"username"`), "config.consumer_by: expected an array"},
		{"text for a set", ca(`"tags":"a"`), "config.tags: expected a set"},
		{"text for a record", ca(`"nested":"a"`), "config.nested: expected a record"},
		{"empty text", ca(`"secret":""`), "config.secret: length must be at least 1"},
		{"null for required", ca(`"cache_ttl":null`), "config.cache_ttl: required field missing"},
		{"null in a list", `{"config":{"ca_certificates":[null]}}`, "config.ca_certificates.1: required field missing"},
		{"one of mutually_required", ca(`"http_proxy_host":"h"`), "@entity: all or none of these fields must be set: 'config.http_proxy_host', 'config.http_proxy_port'"},
		{"conditional", ca(`"revocation_check_mode":"STRICT","cert_cache_ttl":0`),
			"config.cert_cache_ttl: value must be greater than 0\n@entity: failed conditional validation given value of field 'config.revocation_check_mode'"},
		{"conditional inside", ca(`"revocation_check_mode":"STRICT","http_timeout":0`),
			"config.http_timeout: value must be greater than 0\n@entity: failed conditional validation given value of field 'revocation_check_mode'"},
		{"conditional_at_least_one_of", ca(`"authenticated_group_by":"DN"`), "@entity: at least one of these fields must be non-empty: 'config.secret', 'config.tags'"},
		{"protocols", `{"protocols":["http"],"config":{"ca_certificates":[` + id + `]}}`, "protocols.1: expected one of: https, grpcs"},
		{"consumer", `{"consumer":{"id":` + id + `},"config":{"ca_certificates":[` + id + `]}}`, "consumer: value must be null"},
		{"all at once", ca(`"gtz":0,"depth":1.5`), "config.depth: expected an integer\nconfig.gtz: value must be greater than 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parse(t, rich).Fill(object(t, test.entity))
			if err == nil || got != nil {
				t.Fatalf("accepted: %v", got)
			}
			if err.Error() != test.want {
				t.Errorf("refused with %q, want %q", err, test.want)
			}
		})
	}
}

func TestSchemasThatStopKong(t *testing.T) {
	wrap := func(field string) string {
		return `{"name":"p","fields":[{"config":{"type":"record","fields":[` + field + `]}}]}`
	}
	for _, test := range []struct{ name, schema, want string }{
		{"short description", wrap(`{"a":{"type":"string","description":"nine char"}}`), "config.a.description: length must be at least 10"},
		{"long description", wrap(`{"a":{"type":"string","description":"` + strings.Repeat("x", 501) + `"}}`), "config.a.description: length must be at most 500"},
		{"no type", wrap(`{"a":{}}`), "config.a: missing type declaration"},
		{"unknown type", wrap(`{"a":{"type":"strnig"}}`), "config.a.type: expected one of: array"},
		{"unknown attribute", wrap(`{"a":{"type":"string","requierd":true}}`), "config.a.requierd: unknown field"},
		{"attribute of another type", wrap(`{"a":{"type":"boolean","one_of":[true]}}`), "config.a: field of type 'boolean' cannot have attribute 'one_of'"},
		{"attribute with a wrong value", wrap(`{"a":{"type":"string","required":"yes"}}`), "config.a.required: expected a boolean"},
		{"between with one end", wrap(`{"a":{"type":"number","between":[1]}}`), "config.a.between: length must be 2"},
		{"array without elements", wrap(`{"a":{"type":"array"}}`), "config.a: field of type 'array' must declare 'elements'"},
		{"map without values", wrap(`{"a":{"type":"map","keys":{"type":"string"}}}`), "config.a: field of type 'map' must declare 'values'"},
		{"record without fields", wrap(`{"a":{"type":"record"}}`), "config.a: field of type 'record' must declare 'fields'"},
		{"foreign without reference", wrap(`{"a":{"type":"foreign"}}`), "config.a: field of type 'foreign' must declare 'reference'"},
		{"elements of an unknown type", wrap(`{"a":{"type":"array","elements":{"type":"x"}}}`), "config.a.elements.type: expected one of"},
		{"two fields in one entry", wrap(`{"a":{"type":"string"},"b":{"type":"string"}}`), "config.fields.1: length must be 1"},
		{"default of another type", wrap(`{"a":{"type":"number","default":"1"}}`), "config.a.default: expected a number"},
		{"default that is refused", wrap(`{"a":{"type":"string","one_of":["x"],"default":"y"}}`), "config.a.default: expected one of: x"},
		{"no config", `{"name":"p","fields":[]}`, "fields: missing field 'config'"},
		{"no name", `{"fields":[{"config":{"type":"record","fields":[]}}]}`, "name: required field missing"},
		{"unknown check", `{"name":"p","fields":[{"config":{"type":"record","fields":[]}}],"entity_checks":[{"all_of":["a"]}]}`, "entity_checks.1.all_of: unknown field"},
		{"check of another shape", `{"name":"p","fields":[{"config":{"type":"record","fields":[]}}],"entity_checks":[{"conditional":{"if":"a"}}]}`, "entity_checks.1.conditional.if: unknown field"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := schema.Parse("p", []byte(test.schema))
			var found schema.Violations
			if !errors.As(err, &found) {
				t.Fatalf("error %v, want violations", err)
			}
			if len(found) != 1 || !strings.HasPrefix(found[0].String(), test.want) {
				t.Errorf("violations %q, want %q", found, test.want)
			}
		})
	}
}

func TestLuaPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern, value string
		want           bool
	}{
		{"^%d%d?$", "12", true}, {"^%d%d?$", "123", false}, {"^[%w_.-]+$", "a-b_c.1", true}, {"^[%w_.%-]+$", "a/b", false},
		{"^/", "a/", false}, {"%s", "a b", true}, {"%S", " ", false}, {"%.pem$", "x.pem", true}, {"%.pem$", "xpem", false},
		{"a-b", "b", true}, {"%bxy", "xy", false},
	} {
		s := parse(t, `{"name":"p","fields":[{"config":{"type":"record","fields":[{"a":{"type":"string","match":`+quote(test.pattern)+`}}]}}]}`)
		_, err := s.Fill(map[string]any{"config": map[string]any{"a": test.value}})
		if got := err == nil; got != test.want {
			t.Errorf("%q matches %q: %v, want %v", test.pattern, test.value, got, test.want)
		}
	}
}

func quote(s string) string { b, _ := json.Marshal(s); return string(b) }

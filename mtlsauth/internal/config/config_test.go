package config

import (
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
)

const someID = "6f1c1a5e-1a5e-4c1a-9a5e-6f1c1a5e4c1a"

// What Kong 3.9.1 sent for a configuration with nothing but ca_certificates,
// its own keys beside the fields.
const fromKong = `{"$refs":{"secret":"{vault://env/rig-secret}"},"__key__":"plugins:mtls-auth:1::::2","__plugin_id":"3cca9e68",
"__seq__":2,"__ws_id":"0dc6f45b","route_id":"0b90cf2a","allow_partial_chain":false,"authenticated_group_by":"CN",
"ca_certificates":["6F1C1A5E-1a5e-4c1a-9a5e-6f1c1a5e4c1a"],"cache_ttl":60,"cert_cache_ttl":60000,"consumer_by":["username","custom_id"],
"http_timeout":30000,"revocation_check_mode":"IGNORE_CA_ERROR","send_ca_dn":false,"skip_consumer_lookup":false,"san_dirname_matcher":{},
"a_field_of_a_later_version":{"x":1}}`

func TestParseAsKongSendsIt(t *testing.T) {
	c, err := Parse([]byte(fromKong))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.CACertificates) != 1 || c.CACertificates[0] != someID {
		t.Errorf("ca_certificates: got %q, want the id in lower case", c.CACertificates)
	}
	if c.AuthenticatedGroupBy != authn.GroupByCN || c.RevocationCheckMode != "IGNORE_CA_ERROR" || c.SkipConsumerLookup {
		t.Errorf("got %+v", c)
	}
}

// Kong leaves nulls out and fills every default in: absent means null.
func TestParseOfWhatIsNull(t *testing.T) {
	for _, text := range []string{
		`{"ca_certificates":["` + someID + `"]}`,
		`{"ca_certificates":["` + someID + `"],"authenticated_group_by":null,"consumer_by":null,"ssl_verify":null,"revocation_check_mode":null,"anonymous":null,"credentials":null}`,
	} {
		c, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if c.AuthenticatedGroupBy != authn.GroupByNone || len(c.ConsumerBy) != 0 {
			t.Errorf("null authenticated_group_by and consumer_by: got %v and %q, want none", c.AuthenticatedGroupBy, c.ConsumerBy)
		}
		if c.RevocationCheckMode != "IGNORE_CA_ERROR" {
			t.Errorf("null revocation_check_mode: got %q, want the default", c.RevocationCheckMode)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ field, value, want string }{
		{"ca_certificates", `null`, "config.ca_certificates: required field missing"},
		{"ca_certificates", `[]`, "config.ca_certificates: length must be at least 1"},
		{"ca_certificates", `{}`, "config.ca_certificates: length must be at least 1"},
		{"ca_certificates", `"` + someID + `"`, "config.ca_certificates: expected an array of strings"},
		{"ca_certificates", `["nope"]`, `config.ca_certificates: entry 1: expected a valid UUID, got "nope"`},
		{"ca_certificates", `["` + someID + `","6f1c1a5e-1a5e-4c1a-9a5e-6f1c1a5e4c1/"]`, "entry 2: expected a valid UUID"},
		{"ca_certificates", `[7]`, "config.ca_certificates: expected an array of strings, got [7]"},
		{"skip_consumer_lookup", `"true"`, `config.skip_consumer_lookup: expected true or false, got "true"`},
		{"allow_partial_chain", `1`, "config.allow_partial_chain: expected true or false, got 1"},
		{"send_ca_dn", `[]`, "config.send_ca_dn: expected true or false"},
		{"ssl_verify", `0`, "config.ssl_verify: expected true or false"},
		{"authenticated_group_by", `"O"`, `config.authenticated_group_by: expected one of: CN, DN, got "O"`},
		{"authenticated_group_by", `""`, "config.authenticated_group_by: length must be at least 1"},
		{"revocation_check_mode", `"skip"`, `config.revocation_check_mode: expected one of: SKIP, IGNORE_CA_ERROR, STRICT, got "skip"`},
		{"consumer_by", `["id"]`, `config.consumer_by: entry 1: expected one of: username, custom_id, got "id"`},
		{"anonymous", `""`, "config.anonymous: length must be at least 1"},
		{"anonymous", `{"id":"x"}`, "config.anonymous: expected a string"},
		{"http_timeout", `0`, "config.http_timeout: expected a number of milliseconds over 0, got 0"},
		{"cert_cache_ttl", `-1`, "config.cert_cache_ttl: expected a number of milliseconds, 0 or more, got -1"},
		{"cache_ttl", `"60"`, "config.cache_ttl: expected a number of seconds"},
		{"http_proxy_port", `70000`, "config.http_proxy_port: expected an integer between 0 and 65535, got 70000"},
		{"https_proxy_port", `1.5`, "config.https_proxy_port: expected an integer"},
		{"http_proxy_host", `"proxy"`, "all or none of these fields must be set: 'config.http_proxy_host', 'config.http_proxy_port'"},
		{"san_dirname_matcher", `[""]`, "config.san_dirname_matcher: entry 1: length must be at least 1"},
		{"credentials", `[{"consumer":"c"}]`, "config.credentials: entry 1: subject_name: required field missing"},
		{"credentials", `[{"subject_name":"s","consumer":"c","ca_certificate":"x"}]`, "config.credentials: entry 1: ca_certificate: expected a valid UUID"},
		{"credentials", `[{"subject_name":"s","consumer":"c"},{"subject_name":"s","consumer":"d"}]`, `config.credentials: entry 2: subject_name "s" is mapped to two consumers, "c" and "d"`},
		{"credentials", `"x"`, "config.credentials: expected an array"},
	}
	for _, test := range tests {
		text := `{"ca_certificates":["` + someID + `"],"` + test.field + `":` + test.value + `}`
		c, err := Parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s = %s: got %v, want %q", test.field, test.value, err, test.want)
		}
		if len(c.CACertificates) > 0 {
			t.Errorf("%s = %s: refused, but a configuration was returned", test.field, test.value)
		}
	}
	for _, text := range []string{"", "[]", "7", `"x"`, "{", "null"} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("configuration %q was taken", text)
		}
	}
}

func TestEveryMistakeIsNamed(t *testing.T) {
	_, err := Parse([]byte(`{"ca_certificates":["x"],"cache_ttl":-1,"revocation_check_mode":"FOO"}`))
	for _, field := range []string{"ca_certificates", "cache_ttl", "revocation_check_mode"} {
		if err == nil || !strings.Contains(err.Error(), "config."+field) {
			t.Errorf("got %v, want it to name %s", err, field)
		}
	}
}

func TestHowStatusIsChecked(t *testing.T) {
	of := func(more string) *authn.Status {
		t.Helper()
		c, err := Parse([]byte(`{"ca_certificates":["` + someID + `"]` + more + `}`))
		if err != nil {
			t.Fatalf("%s: %v", more, err)
		}
		return c.StatusBy(nil)
	}
	if got := of(`,"revocation_check_mode":"SKIP"`); got != nil {
		t.Errorf("SKIP: got %+v, want no check", got)
	}
	for name, test := range map[string]struct {
		more string
		want revocation.Settings
	}{
		"the defaults": {"", revocation.Settings{
			Mode: revocation.IgnoreCAError, HTTPTimeout: 30 * time.Second, CertCacheTTL: time.Minute, How: fetch.How{SSLVerify: true},
		}},
		"everything": {`,"revocation_check_mode":"STRICT","http_timeout":1500,"cert_cache_ttl":0,"ssl_verify":false,
			"http_proxy_host":"proxy","http_proxy_port":3128,"https_proxy_host":"::1","https_proxy_port":3129`, revocation.Settings{
			HTTPTimeout: 1500 * time.Millisecond, How: fetch.How{HTTPProxy: "proxy:3128", HTTPSProxy: "[::1]:3129"},
		}},
		"below a nanosecond and beyond time": {`,"http_timeout":1e-9,"cert_cache_ttl":1e300`, revocation.Settings{
			Mode: revocation.IgnoreCAError, HTTPTimeout: 1, CertCacheTTL: 10 * 365 * 24 * time.Hour, How: fetch.How{SSLVerify: true},
		}},
	} {
		if got := of(test.more); got == nil || got.Settings != test.want {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
}

func TestParseOfConsumers(t *testing.T) {
	c, err := Parse([]byte(`{"ca_certificates":["` + someID + `"],"cache_ttl":1.5,"consumer_by":["custom_id"],"anonymous":"nobody",
		"default_consumer":"` + someID + `","san_dirname_matcher":["CN"],
		"credentials":[{"subject_name":"s","consumer":"c","ca_certificate":"` + strings.ToUpper(someID) + `"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	consumers, err := c.ConsumersBy(nil)
	if err != nil {
		t.Fatal(err)
	}
	if consumers.By.Username || !consumers.By.CustomID || consumers.Default.String() != someID || c.AnonymousRef().String() != "nobody" {
		t.Errorf("got %+v and anonymous %q", consumers, c.AnonymousRef())
	}
	if c.MaxAge() != 1500*time.Millisecond || c.Credentials[0].CACertificate != someID {
		t.Errorf("got %v and %+v", c.MaxAge(), c.Credentials)
	}
	c.CacheTTL = 1e300
	if c.MaxAge() < 9*365*24*time.Hour {
		t.Errorf("a cache_ttl without end gives %v", c.MaxAge())
	}
	c.SkipConsumerLookup = true
	if consumers, err := c.ConsumersBy(nil); consumers != nil || err != nil {
		t.Errorf("with skip_consumer_lookup: got %+v, %v", consumers, err)
	}
}

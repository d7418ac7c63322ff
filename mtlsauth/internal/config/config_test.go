package config

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/spiffe"
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
	c, err := Parse(MTLSAuth, []byte(fromKong))
	if err != nil {
		t.Fatal(err)
	}
	if ids := c.CACertificates(); len(ids) != 1 || ids[0] != someID {
		t.Errorf("ca_certificates: got %q, want the id in lower case", c.CACertificates())
	}
	if s := c.Settings(); s.GroupBy != authn.GroupByCN || s.Status.Mode != revocation.IgnoreCAError || s.Consumers == nil {
		t.Errorf("got %+v", s)
	}
}

// Kong leaves nulls out and fills every default in: absent means null.
func TestParseOfWhatIsNull(t *testing.T) {
	for _, text := range []string{
		`{"ca_certificates":["` + someID + `"]}`,
		`{"ca_certificates":["` + someID + `"],"authenticated_group_by":null,"consumer_by":null,"ssl_verify":null,"revocation_check_mode":null,"anonymous":null,"credentials":null}`,
	} {
		c, err := Parse(MTLSAuth, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		s := c.Settings()
		if s.GroupBy != authn.GroupByNone || s.Consumers.By != (consumer.ConsumerBy{}) {
			t.Errorf("null authenticated_group_by and consumer_by: got %v and %v, want none", s.GroupBy, s.Consumers.By)
		}
		if s.Status.Mode != revocation.IgnoreCAError {
			t.Errorf("null revocation_check_mode: got %v, want the default", s.Status.Mode)
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
		{"http_proxy_host", `"http://proxy"`, `config.http_proxy_host: expected a host name or an IP address, without scheme, port or credentials, got "http://proxy"`},
		{"https_proxy_host", `"user:secret@proxy"`, "config.https_proxy_host: expected a host name or an IP address"},
		{"http_proxy_host", `"proxy "`, "config.http_proxy_host: expected a host name or an IP address"},
		{"http_proxy_host", `"{vault://env/proxy}"`, "config.http_proxy_host: expected a host name or an IP address"},
		{"san_dirname_matcher", `[""]`, "config.san_dirname_matcher: entry 1: length must be at least 1"},
		{"credentials", `[{"consumer":"c"}]`, "config.credentials: entry 1: subject_name: required field missing"},
		{"credentials", `[{"subject_name":"s","consumer":"c","ca_certificate":"x"}]`, "config.credentials: entry 1: ca_certificate: expected a valid UUID"},
		{"credentials", `[{"subject_name":"s","consumer":"c"},{"subject_name":"s","consumer":"d"}]`, `config.credentials[0] and [1]: subject_name "s" with no ca_certificate is mapped to two consumers, username "c" and username "d"`},
		{"credentials", `"x"`, "config.credentials: expected an array"},
		{"upstream_certificate_headers", `[]`, "config.upstream_certificate_headers: length must be at least 1"},
		{"upstream_certificate_headers", `"rfc9440"`, "config.upstream_certificate_headers: expected an array of strings"},
		{"upstream_certificate_headers", `["rfc9440","xfcc"]`, `config.upstream_certificate_headers: entry 2: expected one of: rfc9440, details, got "xfcc"`},
		{"spiffe_trust_domains", `[]`, "config.spiffe_trust_domains: length must be at least 1"},
		{"spiffe_trust_domains", `{}`, "config.spiffe_trust_domains: length must be at least 1"},
		{"spiffe_trust_domains", `{"trust_domain":"example.org"}`, "config.spiffe_trust_domains: expected an array of {trust_domain, ca_certificates}"},
		{"spiffe_trust_domains", `[{"trust_domain":"example.org"}]`, "config.spiffe_trust_domains: entry 1: ca_certificates: required field missing"},
		{"spiffe_trust_domains", `[{"trust_domain":"example.org","ca_certificates":[]}]`, "config.spiffe_trust_domains: entry 1: ca_certificates: length must be at least 1"},
		{"spiffe_trust_domains", `[{"trust_domain":"example.org","ca_certificates":["x"]}]`, "config.spiffe_trust_domains: entry 1: ca_certificates: entry 1: expected a valid UUID"},
		{"spiffe_trust_domains", `[{"ca_certificates":["` + someID + `"]}]`, "config.spiffe_trust_domains: entry 1: trust_domain: required field missing"},
		{"spiffe_trust_domains", `[{"trust_domain":"Example.org","ca_certificates":["` + someID + `"]}]`, `entry 1: trust_domain: expected a trust domain without spiffe://, at most 255 lower-case letters, digits, dots, dashes and underscores, got "Example.org"`},
		{"spiffe_trust_domains", `[{"trust_domain":"spiffe://example.org","ca_certificates":["` + someID + `"]}]`, "entry 1: trust_domain: expected a trust domain without spiffe://"},
		{"spiffe_trust_domains", `[{"trust_domain":"a","ca_certificates":["` + someID + `"]},{"trust_domain":"b","ca_certificates":["aaaaaaaa-0000-4000-8000-000000000001"]}]`,
			`config.spiffe_trust_domains: entry 2: ca_certificates: "aaaaaaaa-0000-4000-8000-000000000001" must also be in config.ca_certificates`},
		{"spiffe_trust_domains", `[{"trust_domain":"a","ca_certificates":["` + someID + `"]},{"trust_domain":"a","ca_certificates":["` + someID + `"]}]`,
			`config.spiffe_trust_domains: entry 2: trust_domain: trust domain "a" is there twice`},
		{"required_policies", `[]`, "config.required_policies: length must be at least 1"},
		{"required_policies", `"1.2.3"`, "config.required_policies: expected an array of strings"},
		{"required_policies", `["1.2.3","1.2.03"]`, `config.required_policies: entry 2: expected an OID in dotted form, such as 0.4.0.194112.1.0, got "1.2.03"`},
		{"required_policies", `["anyPolicy"]`, "config.required_policies: entry 1: expected an OID"},
		{"required_extended_key_usages", `[]`, "config.required_extended_key_usages: length must be at least 1"},
		{"required_extended_key_usages", `["clientauth"]`, "config.required_extended_key_usages: entry 1: expected an OID in dotted form or one of: OCSPSigning, anyExtendedKeyUsage, clientAuth,"},
	}
	for _, test := range tests {
		t.Run(test.field+"="+test.value, func(t *testing.T) {
			c, err := Parse(MTLSAuth, []byte(`{"ca_certificates":["`+someID+`"],"`+test.field+`":`+test.value+`}`))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if len(c.CACertificates()) > 0 {
				t.Error("refused, but a configuration was returned")
			}
		})
	}
	for _, text := range []string{"", "[]", "7", `"x"`, "{", "null"} {
		if _, err := Parse(MTLSAuth, []byte(text)); err == nil {
			t.Errorf("configuration %q was taken", text)
		}
	}
}

// Each field, with another value than its default, makes another configuration of another
// content. One that no mode acts on would be seen here, and one that two configurations
// differ in without it.
func TestEachFieldCounts(t *testing.T) {
	values := map[string]string{
		"ca_certificates": `["aaaaaaaa-0000-4000-8000-000000000001"]`, "skip_consumer_lookup": "true", "consumer_by": `["username"]`,
		"authenticated_group_by": `"DN"`, "anonymous": `"guest"`, "default_consumer": `"guest"`, "allow_partial_chain": "true",
		"revocation_check_mode": `"STRICT"`, "http_timeout": "1", "cert_cache_ttl": "1", "cache_ttl": "1", "send_ca_dn": "true",
		"http_proxy_host": `"p"`, "http_proxy_port": "2", "https_proxy_host": `"p"`, "https_proxy_port": "2", "ssl_verify": "false",
		"san_dirname_matcher": `["CN"]`, "credentials": `[{"subject_name":"s","consumer":"c"}]`,
		"certificate_header_name": `"x-cert"`, "certificate_header_format": `"pem"`, "secure_source": "false",
		"certificate_chain_header_name": `"x-chain"`, "hide_certificate_header": "true",
		"verification_header_name": `"x-verified"`, "verification_header_values": `["0"]`,
		"upstream_certificate_headers": `["details"]`,
		"spiffe_trust_domains":         `[{"trust_domain":"example.org","ca_certificates":["` + someID + `"]}]`,
		"required_policies":            `["1.2.3"]`, "required_extended_key_usages": `["clientAuth"]`,
	}
	for _, plugin := range []Plugin{MTLSAuth, HeaderCertAuth} {
		t.Run(string(plugin), func(t *testing.T) { eachFieldCounts(t, plugin, values) })
	}
}

func eachFieldCounts(t *testing.T, plugin Plugin, values map[string]string) {
	with := func(name, value string) Config {
		t.Helper()
		raw := map[string]json.RawMessage{
			"certificate_header_name": json.RawMessage(`"x-client-cert"`), "certificate_header_format": json.RawMessage(`"rfc9440"`),
			"ca_certificates": json.RawMessage(`["` + someID + `"]`), "consumer_by": json.RawMessage(`["username","custom_id"]`),
			"http_proxy_host": json.RawMessage(`"proxy"`), "http_proxy_port": json.RawMessage("1"),
			"https_proxy_host": json.RawMessage(`"proxy"`), "https_proxy_port": json.RawMessage("1"),
		}
		if name != "" {
			raw[name] = json.RawMessage(value)
		}
		text, err := json.Marshal(raw)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse(plugin, text)
		if err != nil {
			t.Fatalf("%s = %s: %v", name, value, err)
		}
		return c
	}
	usual := with("", "")
	if !reflect.DeepEqual(with("ca_certificates", `[ "`+someID+`" ]`), usual) || !reflect.DeepEqual(with("later", "1"), usual) {
		t.Error("equal configurations differ")
	}
	for _, f := range fieldsOf(plugin) {
		t.Run(f.name, func(t *testing.T) {
			value, ok := values[f.name]
			if !ok {
				t.Fatal("the test has no value for the field")
			}
			c := with(f.name, value)
			if c.content == usual.content {
				t.Error("the content is the same")
			}
			c.content = usual.content
			if reflect.DeepEqual(c, usual) {
				t.Error("the field changes nothing")
			}
		})
	}
}

func TestEveryMistakeIsNamed(t *testing.T) {
	_, err := Parse(MTLSAuth, []byte(`{"ca_certificates":["x"],"cache_ttl":-1,"revocation_check_mode":"FOO"}`))
	for _, field := range []string{"ca_certificates", "cache_ttl", "revocation_check_mode"} {
		if err == nil || !strings.Contains(err.Error(), "config."+field) {
			t.Errorf("got %v, want it to name %s", err, field)
		}
	}
}

func TestHowStatusIsChecked(t *testing.T) {
	of := func(more string) *revocation.Settings {
		t.Helper()
		c, err := Parse(MTLSAuth, []byte(`{"ca_certificates":["`+someID+`"]`+more+`}`))
		if err != nil {
			t.Fatalf("%s: %v", more, err)
		}
		return c.Settings().Status
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
		if got := of(test.more); got == nil || *got != test.want {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
}

func TestParseOfConsumers(t *testing.T) {
	c, err := Parse(MTLSAuth, []byte(`{"ca_certificates":["`+someID+`"],"cache_ttl":1.5,"consumer_by":["custom_id"],"anonymous":"guest",
		"default_consumer":"`+someID+`","san_dirname_matcher":["CN"],
		"credentials":[{"subject_name":"s","consumer":"c","ca_certificate":"`+strings.ToUpper(someID)+`"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	s := c.Settings()
	if s.Consumers.By.Username || !s.Consumers.By.CustomID || s.Consumers.Default.String() != someID || s.Anonymous.String() != "guest" {
		t.Errorf("got %+v and anonymous %q", s.Consumers, s.Anonymous)
	}
	want, err := consumer.NewCredentials([]consumer.Credential{{SubjectName: "s", Consumer: consumer.ParseRef("c"), CACertificateID: someID}})
	if err != nil {
		t.Fatal(err)
	}
	if s.CacheTTL != 1500*time.Millisecond || !s.Consumers.Credentials.Equal(want) {
		t.Errorf("got %v and %+v", s.CacheTTL, s.Consumers.Credentials)
	}
	c, err = Parse(MTLSAuth, []byte(`{"ca_certificates":["`+someID+`"],"cache_ttl":1e300,"skip_consumer_lookup":true}`))
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Settings(); s.CacheTTL < 9*365*24*time.Hour || s.Consumers != nil {
		t.Errorf("cache_ttl 1e300 with skip_consumer_lookup: got %v and %+v", s.CacheTTL, s.Consumers)
	}
}

func TestParseOfWhatIsRequired(t *testing.T) {
	c, err := Parse(MTLSAuth, []byte(`{"ca_certificates":["`+someID+`"],"required_policies":["2.5.29.32.0","0.4.0.194112.1.0"],
		"required_extended_key_usages":["clientAuth","1.3.6.1.5.5.7.3.1","msSmartcardLogin"],
		"spiffe_trust_domains":[{"trust_domain":"example.org","ca_certificates":["`+strings.ToUpper(someID)+`"]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	s := c.Settings()
	if len(s.Policies) != 2 || s.Policies[0] != certificate.AnyPolicy || s.Policies[1].String() != "0.4.0.194112.1.0" {
		t.Errorf("required_policies: got %v", s.Policies)
	}
	if len(s.Usages) != 3 || s.Usages[0] != certificate.ExtKeyUsageClientAuth || s.Usages[1] != certificate.ExtKeyUsageServerAuth || s.Usages[2].String() != "1.3.6.1.4.1.311.20.2.2" {
		t.Errorf("required_extended_key_usages: got %v", s.Usages)
	}
	domain, err := spiffe.ParseTrustDomain("example.org")
	if err != nil {
		t.Fatal(err)
	}
	if want := map[spiffe.TrustDomain][]string{domain: {someID}}; !reflect.DeepEqual(s.TrustDomains, want) {
		t.Errorf("spiffe_trust_domains: got %v, want %v", s.TrustDomains, want)
	}
	for name := range usages {
		if _, ok := usage(name); !ok {
			t.Errorf("%s has no OID", name)
		}
	}
}

package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/certheader"
)

// fromHeader is what Kong sends for a configuration of header-cert-auth with the fields
// that are required alone, with more.
func fromHeader(more string) []byte {
	return []byte(`{"ca_certificates":["` + someID + `"],"certificate_header_name":"X-Client-Cert","certificate_header_format":"url_encoded"` + more + `}`)
}

func TestPluginOf(t *testing.T) {
	for name, want := range map[string]Plugin{"mtls-auth": MTLSAuth, "mtls-auth-go": MTLSAuth, "": MTLSAuth, "header-cert-auth": HeaderCertAuth, "header-cert-auth-go": HeaderCertAuth, "not-header-cert-auth": MTLSAuth} {
		if got := PluginOf(name); got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
	if got := Describe("header-cert-auth"); got.Priority != 1009 || got.Name != "header-cert-auth" {
		t.Errorf("got %s with priority %d", got.Name, got.Priority)
	}
}

// The fields of Kong Enterprise's header-cert-auth, and no send_ca_dn.
func TestFieldsOfHeaderCertAuth(t *testing.T) {
	names := func(plugin Plugin) (names []string) {
		for _, f := range fieldsOf(plugin) {
			names = append(names, f.name)
		}
		return names
	}
	own := []string{"certificate_header_name", "certificate_header_format", "secure_source", "certificate_chain_header_name",
		"hide_certificate_header", "verification_header_name", "verification_header_values"}
	header, mtls := names(HeaderCertAuth), names(MTLSAuth)
	for _, name := range own {
		if !slices.Contains(header, name) || slices.Contains(mtls, name) {
			t.Errorf("%s is not a field of header-cert-auth alone", name)
		}
	}
	if slices.Contains(header, "send_ca_dn") || !slices.Contains(mtls, "send_ca_dn") {
		t.Error("send_ca_dn is not a field of mtls-auth alone")
	}
	if len(header) != len(mtls)-1+len(own) {
		t.Errorf("header-cert-auth has %d fields, mtls-auth %d", len(header), len(mtls))
	}
}

func TestParseOfHeader(t *testing.T) {
	for _, test := range []struct {
		name, more string
		want       certheader.Settings
	}{
		{"the defaults", "", certheader.Settings{Name: "X-Client-Cert", Format: certheader.URLEncoded, SecureSource: true, VerificationValues: []string{"SUCCESS"}}},
		{"nulls", `,"secure_source":null,"hide_certificate_header":null,"verification_header_values":null,"certificate_chain_header_name":null`,
			certheader.Settings{Name: "X-Client-Cert", Format: certheader.URLEncoded, SecureSource: true, VerificationValues: []string{"SUCCESS"}}},
		{"everything", `,"secure_source":false,"hide_certificate_header":true,"certificate_chain_header_name":"chain",
			"verification_header_name":"SSL_CLIENT_VERIFY","verification_header_values":["0","1"]`,
			certheader.Settings{Name: "X-Client-Cert", Format: certheader.URLEncoded, Hide: true, ChainName: "chain", VerificationName: "SSL_CLIENT_VERIFY", VerificationValues: []string{"0", "1"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := Parse(HeaderCertAuth, fromHeader(test.more))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*c.Header(), test.want) {
				t.Errorf("got %+v, want %+v", *c.Header(), test.want)
			}
		})
	}
	c, err := Parse(MTLSAuth, fromHeader(""))
	if err != nil || c.Header() != nil {
		t.Errorf("mtls-auth: got %v, %v: it knows no header", c.Header(), err)
	}
}

func TestParseOfHeaderRefuses(t *testing.T) {
	for _, test := range []struct{ name, config, want string }{
		{"no header", `{"ca_certificates":["` + someID + `"],"certificate_header_format":"pem"}`, "config.certificate_header_name: required field missing"},
		{"no format", `{"ca_certificates":["` + someID + `"],"certificate_header_name":"x"}`, "config.certificate_header_format: required field missing"},
		{"format", string(fromHeader(`,"certificate_header_format":"der"`)), "config.certificate_header_format: expected one of: base64_encoded, url_encoded, rfc9440, xfcc, base64_list, pem, got \"der\""},
		{"name", string(fromHeader(`,"certificate_header_name":"x cert"`)), `config.certificate_header_name: expected the name of a header, got "x cert"`},
		{"name with a colon", string(fromHeader(`,"verification_header_name":"x:"`)), `config.verification_header_name: expected the name of a header, got "x:"`},
		{"hop by hop", string(fromHeader(`,"certificate_header_name":"Proxy_Authorization"`)), `config.certificate_header_name: header "Proxy_Authorization" has another meaning`},
		{"chain in the same header", string(fromHeader(`,"certificate_chain_header_name":"x_client_cert"`)), `config.certificate_chain_header_name: header "x_client_cert" is also config.certificate_header_name`},
		{"verdict in the chain's", string(fromHeader(`,"certificate_chain_header_name":"a","verification_header_name":"A"`)), "config.verification_header_name: header \"A\" is also config.certificate_chain_header_name"},
		{"chain beside xfcc", string(fromHeader(`,"certificate_header_format":"xfcc","certificate_chain_header_name":"c"`)), "config.certificate_chain_header_name: must not be set with certificate_header_format xfcc"},
		{"chain beside a list", string(fromHeader(`,"certificate_header_format":"base64_list","certificate_chain_header_name":"c"`)), "must not be set with certificate_header_format base64_list"},
		{"no verdict counts", string(fromHeader(`,"verification_header_values":[]`)), "config.verification_header_values: length must be at least 1"},
		{"secure_source", string(fromHeader(`,"secure_source":"no"`)), "config.secure_source: expected true or false"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := Parse(HeaderCertAuth, []byte(test.config))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if len(c.CACertificates()) > 0 {
				t.Error("refused, but a configuration was returned")
			}
		})
	}
}

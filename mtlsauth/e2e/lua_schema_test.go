package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	luafiles "mtls-auth/kong"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// validate has Kong check a plugin, and returns the status and what Kong says.
func (r *rig) validate(body string) (int, string) {
	r.t.Helper()
	resp, err := http.Post(r.AdminURL()+"/schemas/plugins/validate", "application/json", strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, canonical(r.t, string(text))
}

// Kong says the same of a configuration in both modes: the schema of the
// Lua files is the query command's.
func TestLuaSchema(t *testing.T) {
	t.Parallel()
	needsKong(t)
	change := func(o *realkong.Options) { o.Workers = 1 }
	server, lua := newRigIn(t, pluginServerMode, nil, nil, change), newRigIn(t, luaMode, nil, nil, change)
	if lua.AdminURL() == "" {
		t.Skip("the Admin API is off")
	}
	const ids = `"ca_certificates":["` + idA + `"]`
	for config, status := range map[string]int{
		`{}`:                                400,
		`{"ca_certificates":null}`:          400,
		`{"ca_certificates":[]}`:            400,
		`{"ca_certificates":["x"]}`:         400,
		`{"ca_certificates":"` + idA + `"}`: 400,
		`{` + ids + `}`:                     200,
		`{` + ids + `,"consumer_by":[]}`:    200,
		`{` + ids + `,"consumer_by":null,"authenticated_group_by":null}`:                                                               200,
		`{` + ids + `,"consumer_by":["email"]}`:                                                                                        400,
		`{` + ids + `,"authenticated_group_by":"O"}`:                                                                                   400,
		`{` + ids + `,"revocation_check_mode":"LAX"}`:                                                                                  400,
		`{` + ids + `,"anonymous":""}`:                                                                                                 400,
		`{` + ids + `,"skip_consumer_lookup":"yes"}`:                                                                                   400,
		`{` + ids + `,"cache_ttl":-1}`:                                                                                                 400,
		`{` + ids + `,"cache_ttl":"60"}`:                                                                                               400,
		`{` + ids + `,"cache_ttl":9007199254740992}`:                                                                                   400,
		`{` + ids + `,"http_timeout":0}`:                                                                                               400,
		`{` + ids + `,"http_proxy_host":"p"}`:                                                                                          400,
		`{` + ids + `,"https_proxy_host":"p","https_proxy_port":65536}`:                                                                400,
		`{` + ids + `,"https_proxy_host":"p","https_proxy_port":1.5}`:                                                                  400,
		`{` + ids + `,"https_proxy_host":"p","https_proxy_port":443}`:                                                                  200,
		`{` + ids + `,"san_dirname_matcher":["CN",""]}`:                                                                                400,
		`{` + ids + `,"credentials":[{"subject_name":"s"}]}`:                                                                           400,
		`{` + ids + `,"credentials":[{"subject_name":"s","consumer":"c","more":1}]}`:                                                   400,
		`{` + ids + `,"credentials":[{"subject_name":"s","consumer":"c","ca_certificate":"x"}]}`:                                       400,
		`{` + ids + `,"credentials":[{"subject_name":"s","consumer":"c"}]}`:                                                            200,
		`{` + ids + `,"upstream_certificate_headers":["rfc9440","details"]}`:                                                           200,
		`{` + ids + `,"upstream_certificate_headers":[]}`:                                                                              400,
		`{` + ids + `,"upstream_certificate_headers":["xfcc"]}`:                                                                        400,
		`{` + ids + `,"spiffe_trust_domains":[{"trust_domain":"a_b.example-1","ca_certificates":["` + idA + `"]}]}`:                    200,
		`{` + ids + `,"spiffe_trust_domains":[{"trust_domain":"a.example"}]}`:                                                          400,
		`{` + ids + `,"spiffe_trust_domains":[{"trust_domain":"A.example","ca_certificates":["` + idA + `"]}]}`:                        400,
		`{` + ids + `,"spiffe_trust_domains":[{"trust_domain":"spiffe://a.example","ca_certificates":["` + idA + `"]}]}`:               400,
		`{` + ids + `,"spiffe_trust_domains":[{"trust_domain":"a.example:1","ca_certificates":["` + idA + `"]}]}`:                      400,
		`{` + ids + `,"spiffe_trust_domains":[{"trust_domain":"` + strings.Repeat("a", 256) + `","ca_certificates":["` + idA + `"]}]}`: 400,
		`{` + ids + `,"spiffe_trust_domains":[{"trust_domain":"a.example","ca_certificates":["x"]}]}`:                                  400,
		`{` + ids + `,"spiffe_trust_domains":[]}`:                                                                                      400,
		`{` + ids + `,"required_policies":["0.4.0.194112.1.0","2.16.840.1.101.3.2.1.48.1","2.5.29.32.0","2.999.1","1.39.1"]}`:          200,
		`{` + ids + `,"required_policies":[]}`:                                                                                         400,
		`{` + ids + `,"required_policies":["1"]}`:                                                                                      400,
		`{` + ids + `,"required_policies":["3.1"]}`:                                                                                    400,
		`{` + ids + `,"required_policies":["1.40"]}`:                                                                                   400,
		`{` + ids + `,"required_policies":["1.2.03"]}`:                                                                                 400,
		`{` + ids + `,"required_policies":["1.2."]}`:                                                                                   400,
		`{` + ids + `,"required_policies":["1..2"]}`:                                                                                   400,
		`{` + ids + `,"required_policies":["anyPolicy"]}`:                                                                              400,
		`{` + ids + `,"required_extended_key_usages":["clientAuth","1.3.6.1.4.1.311.20.2.2"]}`:                                         200,
		`{` + ids + `,"required_extended_key_usages":["clientauth"]}`:                                                                  400,
		`{` + ids + `,"required_extended_key_usages":["1.2.x"]}`:                                                                       400,
		`{` + ids + `,"unknown":1}`:                                                                                                    400,
	} {
		for what, body := range map[string]string{
			"for all":        `{"name":"mtls-auth","config":` + config + `}`,
			"for a consumer": `{"name":"mtls-auth","consumer":{"id":"` + idAlice + `"},"config":` + config + `}`,
			"for TCP":        `{"name":"mtls-auth","protocols":["tcp"],"config":` + config + `}`,
		} {
			want := status
			if what != "for all" {
				want = 400
			}
			a, texta := server.validate(body)
			b, textb := lua.validate(body)
			if a != want || b != want || texta != textb {
				t.Errorf("%s, %s:\nplugin-server mode: %d %s\nLua mode:           %d %s", config, what, a, texta, b, textb)
			}
		}
	}
	// Defaults and all.
	schema := func(r *rig) string {
		resp, err := http.Get(r.AdminURL() + "/schemas/plugins/mtls-auth")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s %s %v", resp.Status, text, err)
		}
		return string(text)
	}
	if a, b := canonical(t, schema(server)), canonical(t, schema(lua)); a != b {
		t.Errorf("plugin-server mode: %s\nLua mode:           %s", a, b)
	}
}

// canonical has the keys of JSON objects in order.
func canonical(t testing.TB, text string) string {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// What header-cert-auth's fields say together is refused when it is written, not with each
// request.
func TestLuaHeaderSchema(t *testing.T) {
	t.Parallel()
	needsKong(t)
	server := newRigIn(t, pluginServerMode, nil, nil, func(o *realkong.Options) {
		o.Workers = 1
		o.QueryCommand = strings.Replace(o.QueryCommand, program(t), headerProgram(t), 1)
		o.StartCommand = strings.Replace(o.StartCommand, program(t), headerProgram(t), 1)
		o.Socket = filepath.Join(o.Prefix, luafiles.HeaderName+".socket")
	})
	lua := newRigIn(t, luaMode, nil, nil, func(o *realkong.Options) { o.Workers = 1 })
	if lua.AdminURL() == "" {
		t.Skip("the Admin API is off")
	}
	for _, test := range []struct {
		name, header, format, chain, verification string
		want                                      string // part of what Kong says; "" accepts
	}{
		{name: "one header", header: "X-Cert", format: "pem"},
		{name: "three", header: "X-Cert", format: "rfc9440", chain: "X-Chain", verification: "X-Verified"},
		{name: "a chain with xfcc", header: "X-Cert", format: "xfcc", chain: "X-Chain", want: "certificate_chain_header_name: must not be set with xfcc"},
		{name: "a chain with base64_list", header: "X-Cert", format: "base64_list", chain: "X-Chain", want: "certificate_chain_header_name: must not be set with"},
		{name: "no chain with xfcc", header: "X-Cert", format: "xfcc", verification: "X-Verified"},
		{name: "one header for two", header: "X-Cert", format: "pem", chain: "X-Cert", want: "must be distinct"},
		{name: "one header for the verdict", header: "X-Cert", format: "pem", verification: "X-Cert", want: "must be distinct"},
		{name: "a header with another meaning", header: "Authorization", format: "pem", want: "has another meaning"},
		{name: "in another spelling", header: "TRANSFER_encoding", format: "pem", want: "has another meaning"},
		{name: "for the chain", header: "X-Cert", format: "pem", chain: "cookie", want: "has another meaning"},
		{name: "for the verdict", header: "X-Cert", format: "pem", verification: "Host", want: "has another meaning"},
		{name: "a name that only begins so", header: "Host-Cert", format: "pem"},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := object{"ca_certificates": []string{idA}, "certificate_header_name": test.header, "certificate_header_format": test.format}
			if test.chain != "" {
				config["certificate_chain_header_name"] = test.chain
			}
			if test.verification != "" {
				config["verification_header_name"] = test.verification
			}
			body, err := json.Marshal(object{"name": luafiles.HeaderName, "config": config})
			if err != nil {
				t.Fatal(err)
			}
			want := map[bool]int{true: 200, false: 400}[test.want == ""]
			a, texta := server.validate(string(body))
			b, textb := lua.validate(string(body))
			if a != want || b != want || texta != textb || !strings.Contains(texta, test.want) {
				t.Errorf("plugin-server mode: %d %s\nLua mode:           %d %s", a, texta, b, textb)
			}
		})
	}
}

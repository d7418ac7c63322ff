package fakekong_test

import (
	"mtls-auth/mtlsauth/internal/testing/fakekong"
	"strings"
	"testing"
)

// What key-auth, acl and their entities refuse. Fields that Kong has and the
// stand-in does not emulate are named.
func TestKongsOwnPluginsThatAreRefused(t *testing.T) {
	for _, test := range []struct{ name, config, want string }{
		{"field", "plugins: [{name: key-auth, config: {key: x}}]", "in 'plugins.1': config.key: unknown field"},
		{"keys in the body", "plugins: [{name: key-auth, config: {key_in_body: true}}]", "in 'plugins.1.config.key_in_body': the stand-in does not emulate"},
		{"key name", "plugins: [{name: key-auth, config: {key_names: [a b]}}]", "in 'plugins.1.config.key_names.1': bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'"},
		{"anonymous", "plugins: [{name: key-auth, config: {anonymous: ''}}]", "config.anonymous: length must be at least 1"},
		{"key-auth of a consumer", "consumers: [{username: alice}]\nplugins: [{name: key-auth, consumer: alice}]", "consumer: value must be null"},
		{"acl of a consumer", "consumers: [{username: alice}]\nplugins: [{name: acl, consumer: alice, config: {allow: [a]}}]", "consumer: value must be null"},
		{"acl without lists", "plugins: [{name: acl}]", "@entity: exactly one of these fields must be non-empty: 'config.allow', 'config.deny'"},
		{"acl with both", "plugins: [{name: acl, config: {allow: [a], deny: [b]}}]", "@entity: exactly one of these fields must be non-empty: 'config.allow', 'config.deny'"},
		{"acl with a field of Kong Enterprise", "plugins: [{name: acl, config: {allow: [a], include_consumer_groups: true}}]", "config.include_consumer_groups: unknown field"},
		{"no key", "consumers: [{username: alice, keyauth_credentials: [{}]}]", "in 'consumers.1.keyauth_credentials.1.key': the stand-in makes up no keys"},
		{"key that expires", "consumers: [{username: alice, keyauth_credentials: [{key: k, ttl: 5}]}]", "keyauth_credentials.1.ttl': the stand-in does not emulate"},
		{"key twice", "consumers: [{username: alice, keyauth_credentials: [{key: k}]}]\nkeyauth_credentials: [{key: k, consumer: alice}]", "in 'keyauth_credentials.1.key': uniqueness violation: 'k'"},
		{"nobody's key", "keyauth_credentials: [{key: k, consumer: alice}]", "in 'keyauth_credentials.1.consumer': invalid reference 'consumer: alice' (no such entry in 'consumers')"},
		{"key without a consumer", "keyauth_credentials: [{key: k}]", "in 'keyauth_credentials.1.consumer': required field missing"},
		{"no group", "consumers: [{username: alice, acls: [{}]}]", "in 'consumers.1.acls.1.group': required field missing"},
		{"group twice", "consumers: [{username: alice, acls: [{group: a}, {group: a}]}]", "in 'consumers.1.acls.2.group': uniqueness violation"},
		{"acls' field", "acls: [{group: a, consumers: alice}]", "in 'acls.1.consumers': unknown field"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := tryStart(t, "_format_version: '3.0'\n"+test.config, func(o *fakekong.Options) { o.QueryCommand, o.StartCommand = "", "" })
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// mtls_auth_credentials are of Kong Enterprise alone: open-source Kong knows no
// such entity, so a file with them must go to the plugin's -credentials instead.
func TestEnterpriseMappingsAreUnknown(t *testing.T) {
	s := plain(t, "_format_version: '3.0'\nconsumers: [{username: alice}]")
	for text, at := range map[string]string{
		"mtls_auth_credentials: [{id: " + keyID + ", subject_name: a, consumer: alice}]":                "mtls_auth_credentials",
		"consumers: [{username: alice, mtls_auth_credentials: [{id: " + keyID + ", subject_name: a}]}]": "consumers.1.mtls_auth_credentials",
		"consumers: [{username: a}, {username: b, header_cert_auth_credentials: [{subject_name: a}]}]":  "consumers.2.header_cert_auth_credentials",
	} {
		err := s.Configure([]byte("_format_version: '3.0'\n" + text))
		if want := "in '" + at + "': unknown field"; err == nil || err.Error() != want {
			t.Errorf("%s: error %v, want %s", text, err, want)
		}
	}
}

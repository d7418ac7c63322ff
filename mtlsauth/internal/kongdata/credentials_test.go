package kongdata_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// credentialsOf reads a file of -credentials.
func credentialsOf(data []byte) ([]consumer.Credential, error) {
	e, err := kongdata.ParseCredentials(data)
	if err != nil {
		return nil, err
	}
	return e.Credentials(), nil
}

var credentialRoot = sync.OnceValue(func() *pki.Certificate { return pki.NewCA("root") })

func by(attribute consumer.By, value string) consumer.Ref {
	return consumer.RefTo(consumer.Query{By: attribute, Value: value})
}

func indentBy(text, by string) string { return strings.ReplaceAll(text, "\n", "\n"+by) }

func TestCredentials(t *testing.T) {
	ca := credentialRoot()
	digest := sha256.Sum256(ca.Raw)
	upper := "ABCDEF00-0000-4000-8000-000000000001"
	pem, err := json.Marshal(ca.PEM())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		what, text string
		want       []consumer.Credential
	}{
		{"decK's format with all else that may be in it", `
_format_version: "3.0"
_info: {select_tags: [a], defaults: {}}
_workspace: default
services: [{name: s, plugins: [{name: mtls-auth, config: {1: 2}}]}]
consumer_groups: [{name: gold}]
consumers:
- id: ` + uuid(1) + `
  username: alice
  custom_id: "17"
  groups: [{name: gold}]
  keyauth_credentials: [{key: secret}]
  mtls_auth_credentials:
  - id: ` + uuid(11) + `
    subject_name: alice@example
    ca_certificate: ` + upper + `
    tags: [a]
    created_at: 1700000000
  - subject_name: Jürgen
    ca_certificate: {id: ` + upper + `, cert_digest: x}
- username: bob
  custom_id: b
  mtls_auth_credentials: [{subject_name: bob, ca_certificate: null}]
- custom_id: c-7
  mtls_auth_credentials:
  - subject_name: spiffe://x/c
    ca_certificate: |
      ` + indentBy(ca.PEM(), "      ") + `
  - subject_name: both
    ca_certificate:
      cert: "` + strings.ReplaceAll(ca.PEM(), "\n", `\n`) + `"
- username: without
`, []consumer.Credential{
			{ID: uuid(11), SubjectName: "alice@example", CACertificateID: strings.ToLower(upper), Consumer: by(consumer.ByID, uuid(1))},
			{SubjectName: "Jürgen", CACertificateID: strings.ToLower(upper), Consumer: by(consumer.ByID, uuid(1))},
			{SubjectName: "bob", Consumer: by(consumer.ByUsername, "bob")},
			{SubjectName: "spiffe://x/c", CACertificateSHA256: digest, Consumer: by(consumer.ByCustomID, "c-7")},
			{SubjectName: "both", CACertificateSHA256: digest, Consumer: by(consumer.ByCustomID, "c-7")},
		}},
		{"the top-level list", `
mtls_auth_credentials:
- {subject_name: a, consumer: bob}
- {subject_name: b, consumer: ` + upper + `}
- {subject_name: c, consumer: {id: ` + upper + `}}
- {subject_name: d, consumer: {username: bob}}
- {subject_name: e, consumer: {custom_id: "17"}}
- {subject_name: f, consumer: alice}
- {subject_name: g, consumer: ` + uuid(2) + `, ca_certificate: ` + uuid(3) + `}
- {subject_name: h, consumer: ` + uuid(4) + `}
consumers:
- {id: ` + uuid(1) + `, username: alice}
- {id: ` + uuid(2) + `, username: eve}
- {username: ` + uuid(4) + `}
`, []consumer.Credential{
			{SubjectName: "a", Consumer: consumer.ParseRef("bob")},
			{SubjectName: "b", Consumer: consumer.ParseRef(upper)},
			{SubjectName: "c", Consumer: by(consumer.ByID, strings.ToLower(upper))},
			{SubjectName: "d", Consumer: by(consumer.ByUsername, "bob")},
			{SubjectName: "e", Consumer: by(consumer.ByCustomID, "17")},
			{SubjectName: "f", Consumer: by(consumer.ByID, uuid(1))},
			{SubjectName: "g", CACertificateID: uuid(3), Consumer: by(consumer.ByID, uuid(2))},
			{SubjectName: "h", Consumer: by(consumer.ByUsername, uuid(4))},
		}},
		{"JSON", `{"_format_version": "3.0", "consumers": [{"username": "\ud83d\ude00", "mtls_auth_credentials": [
			{"id": "` + uuid(1) + `", "subject_name": "a\/b", "ca_certificate": ` + string(pem) + `}]}]}`,
			[]consumer.Credential{{ID: uuid(1), SubjectName: "a/b", CACertificateSHA256: digest, Consumer: by(consumer.ByUsername, "😀")}}},
		{"YAML that begins with a brace", `{consumers: [{username: a, mtls_auth_credentials: [{subject_name: b}]}]}`,
			[]consumer.Credential{{SubjectName: "b", Consumer: by(consumer.ByUsername, "a")}}},
		{"anchors", "consumers:\n- &a {username: a, mtls_auth_credentials: [&c {subject_name: b}]}\n- {username: c, mtls_auth_credentials: [{<<: *c, subject_name: d}]}",
			[]consumer.Credential{{SubjectName: "b", Consumer: by(consumer.ByUsername, "a")}, {SubjectName: "d", Consumer: by(consumer.ByUsername, "c")}}},
		{"no credentials", "consumers: []", nil},
	} {
		t.Run(test.what, func(t *testing.T) {
			got, err := credentialsOf([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n%+v\nwant\n%+v", got, test.want)
			}
			if _, err := consumer.NewCredentials(got); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCredentialsRefused(t *testing.T) {
	one := func(credential string) string {
		return "consumers: [{username: x}, {username: alice, mtls_auth_credentials: [{subject_name: ok}, " + credential + "]}]"
	}
	top := func(credential string) string { return "mtls_auth_credentials: [" + credential + "]" }
	const in = `consumers[1]: username "alice": mtls_auth_credentials[1]: `
	key := "-----BEGIN PRIVATE KEY-----\\nc2VjcmV0\\n-----END PRIVATE KEY-----"
	for _, test := range []struct{ what, text, want string }{
		{"nothing", "", "it holds nothing"},
		{"blanks and comments", " \n# x\n", "it holds nothing"},
		{"null", "null", "it holds nothing"},
		{"no mapping", "[]", "it is a list; must be a mapping"},
		{"a text, which may be a key", "c2VjcmV0", "it is text; must be a mapping"},
		{"broken YAML", "consumers: [", "yaml: line 1: did not find expected node content"},
		{"broken JSON", `{"consumers": [}`, "yaml: "},
		{"a second document that cannot be read", "consumers: []\n---\nconsumers: [", "yaml: line 3"},
		{"a key twice", "consumers: []\nconsumers: [{username: a}]", `the key "consumers" appears twice, in line 2 again`},
		{"a key twice in a consumer", "consumers: [{username: a, username: b}]", `consumers[0]: the key "username" appears twice, in line 1 again`},
		{"a key twice beside what is merged", "x: &x {username: a}\nconsumers: [{<<: *x, id: " + uuid(1) + ", id: " + uuid(2) + "}]", "already defined at line 2"},
		{"a key twice in a credential, in JSON", `{"consumers": [{"username": "x", "mtls_auth_credentials": [{"subject_name": "a", "subject_name": "b"}]}]}`, `the key "subject_name" appears twice`},
		{"neither key", "_format_version: \"3.0\"\nconsumer: []", "neither consumers nor mtls_auth_credentials"},
		{"consumers: null", "consumers:", "neither consumers nor mtls_auth_credentials"},
		{"consumers no list", "consumers: {a: b}", "consumers: it is a mapping; must be a list"},
		{"a consumer no mapping", "consumers: [alice]", "consumers[0]: it is text; must be a mapping"},
		{"credentials no list", "consumers: [{username: a, mtls_auth_credentials: {subject_name: x}}]", `consumers[0]: username "a": mtls_auth_credentials: it is a mapping; must be a list`},
		{"a consumer without a name", "consumers: [{mtls_auth_credentials: [{subject_name: x}]}]", "consumers[0]: mtls_auth_credentials[0]: its consumer has neither id nor username nor custom_id"},
		{"a username that is not text", "consumers: [{username: 17, mtls_auth_credentials: [{subject_name: x}]}]", "consumers[0]: username: it is a number; must be text (in quotes"},
		{"a consumer's id", "consumers: [{id: a, mtls_auth_credentials: [{subject_name: x}]}]", `consumers[0]: id: must be a UUID`},
		{"decK's variables", "consumers: [{username: '${{ env \"DECK_X\" }}', mtls_auth_credentials: [{subject_name: x}]}]", "decK's variables"},
		{"credential no mapping", one("a"), in + "it is text; must be a mapping"},
		{"credential null", one("null"), in + "it is absent; must be a mapping"},
		{"no subject_name", one("{}"), in + `subject_name: "" must be UTF-8, not empty`},
		{"subject_name no text", one("{subject_name: 17}"), in + "subject_name: it is a number; must be text"},
		{"subject_name a date", one("{subject_name: 2026-11-23}"), in + "subject_name: it is a date"},
		{"subject_name true", one("{subject_name: true}"), in + "subject_name: it is a truth value"},
		{"subject_name with a control character", one(`{subject_name: "a\tb"}`), in + `subject_name: "a\tb" must be`},
		{"misspelt ca_certificate", one("{subject_name: a, ca_certifcate: " + uuid(1) + "}"), in + `unknown key "ca_certifcate"; must be one of id, subject_name, ca_certificate, tags`},
		{"consumer inside a consumer", one("{subject_name: a, consumer: bob}"), in + `unknown key "consumer"`},
		{"id no UUID", one("{subject_name: a, id: x}"), in + `id: must be a UUID`},
		{"id no text", one("{subject_name: a, id: [1]}"), in + `id: it is a list`},
		{"CA no UUID", one("{subject_name: a, ca_certificate: my-ca}"), in + `ca_certificate: id: must be a UUID`},
		{"CA empty", one(`{subject_name: a, ca_certificate: ""}`), in + `ca_certificate: id: must be a UUID`},
		{"CA a number", one("{subject_name: a, ca_certificate: 1}"), in + "ca_certificate: it is a number; must be a UUID, an object with id, or a certificate in PEM"},
		{"CA an empty object", one("{subject_name: a, ca_certificate: {}}"), in + "ca_certificate: it has neither id nor cert"},
		{"CA an object with another key", one("{subject_name: a, ca_certificate: {name: x}}"), in + `ca_certificate: unknown key "name"`},
		{"CA a key", one(`{subject_name: a, ca_certificate: "` + key + `"}`), in + "ca_certificate: must be exactly one certificate in PEM"},
		{"CA two certificates", one(`{subject_name: a, ca_certificate: "` + strings.ReplaceAll(credentialRoot().PEM()+credentialRoot().PEM(), "\n", `\n`) + `"}`), in + "ca_certificate: must be exactly one certificate in PEM"},
		{"CA no certificate", one(`{subject_name: a, ca_certificate: "-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n"}`), in + "ca_certificate: reading the certificate"},
		{"one id twice", one("{subject_name: a, id: " + uuid(1) + "}, {subject_name: b, id: " + uuid(1) + "}"), `mtls_auth_credentials[2]: id: ` + uuid(1) + ` is the id of consumers[1]: mtls_auth_credentials[1] too`},
		{"top-level without a consumer", top("{subject_name: a}"), "mtls_auth_credentials[0]: consumer: it is absent; must be a UUID, a username"},
		{"top-level with an empty consumer", top(`{subject_name: a, consumer: ""}`), "mtls_auth_credentials[0]: consumer: it is empty"},
		{"top-level with an odd consumer", top("{subject_name: a, consumer: {name: x}}"), `mtls_auth_credentials[0]: consumer: unknown key "name"`},
		{"top-level no mapping", top("[]"), "mtls_auth_credentials[0]: it is a list; must be a mapping"},
		{"top-level no list", "mtls_auth_credentials: x", "mtls_auth_credentials: it is text; must be a list"},
		{"two consumers of one username", "consumers: [{id: " + uuid(1) + ", username: a}, {id: " + uuid(2) + ", username: a}]\n" + top("{subject_name: a, consumer: a}"), `consumers[1]: the username "a" appears twice`},
		{"billion laughs", bomb(), "consumers[0]: it is a list; must be a mapping"},
	} {
		t.Run(test.what, func(t *testing.T) {
			got, err := credentialsOf([]byte(test.text))
			if err == nil || got != nil {
				t.Fatalf("got %+v, %v", got, err)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want %q in it", err, test.want)
			}
			if strings.Contains(err.Error(), "c2VjcmV0") {
				t.Errorf("%q quotes a key", err)
			}
		})
	}
}

func bomb() string {
	text := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		text += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	return text + "consumers: *a9\n"
}

// FuzzCredentials: no panic, no credentials with an error, and none that an index
// would refuse but for two that contradict each other.
func FuzzCredentials(f *testing.F) {
	f.Add([]byte("consumers: [{username: alice, mtls_auth_credentials: [{subject_name: a}]}]"))
	f.Add([]byte(`{"mtls_auth_credentials": [{"subject_name": "a", "consumer": {"id": "` + uuid(1) + `"}, "ca_certificate": {"id": "` + uuid(2) + `"}}]}`))
	f.Add([]byte("consumers: &a [{username: a, mtls_auth_credentials: *a}]"))
	f.Add([]byte("consumers:\n- username: x\n  mtls_auth_credentials:\n  - {id: " + uuid(3) + ", subject_name: y, tags: [z]}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := credentialsOf(data)
		if err != nil {
			if list != nil {
				t.Fatalf("an error and %+v", list)
			}
			return
		}
		for _, c := range list {
			if _, err := consumer.NewCredentials([]consumer.Credential{c}); err != nil {
				t.Fatalf("%+v: %v", c, err)
			}
		}
	})
}

package consumer_test

import (
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/consumer"
)

func TestNewCredentialsRefuses(t *testing.T) {
	alice, bob := consumer.ParseRef("alice"), consumer.ParseRef("bob")
	good := consumer.Credential{SubjectName: "a", Consumer: alice}
	upper := "ABCDEF00-0000-4000-8000-000000000001"
	for _, test := range []struct {
		what string
		list []consumer.Credential
		want []string // parts of the error; none for no error
	}{
		{"one name under two CAs", []consumer.Credential{
			{SubjectName: "a", CACertificateID: uuid(1), Consumer: alice},
			{SubjectName: "a", CACertificateID: uuid(2), Consumer: bob},
			{SubjectName: "a", Consumer: bob},
			{SubjectName: "a", CACertificateSHA256: [32]byte{1}, Consumer: bob},
		}, nil},
		{"the same consumer twice", []consumer.Credential{good, good}, nil},
		{"names differ in case", []consumer.Credential{good, {SubjectName: "A", Consumer: bob}}, nil},
		{"two consumers, no CA", []consumer.Credential{good, {SubjectName: "b", Consumer: alice}, {ID: uuid(9), SubjectName: "a", Consumer: bob}},
			[]string{"credentials[0] and [2]", `"a"`, "no ca_certificate", `username "alice"`, `username "bob" (credential ` + uuid(9) + ")"}},
		{"two consumers, one CA in two spellings", []consumer.Credential{
			{SubjectName: "a", CACertificateID: upper, Consumer: alice},
			{SubjectName: "a", CACertificateID: strings.ToLower(upper), Consumer: bob},
		}, []string{"alice", "bob", strings.ToLower(upper)}},
		{"two consumers, one CA certificate", []consumer.Credential{
			{SubjectName: "a", CACertificateSHA256: [32]byte{1}, Consumer: alice},
			{SubjectName: "a", CACertificateSHA256: [32]byte{1}, Consumer: bob},
		}, []string{"alice", "bob", "ca_certificate 01000"}},
		{"one consumer id in two spellings", []consumer.Credential{
			{SubjectName: "a", Consumer: consumer.ParseRef(upper)},
			{SubjectName: "a", Consumer: consumer.ParseRef(strings.ToLower(upper))},
		}, nil},
		{"a username and a custom_id", []consumer.Credential{good, {SubjectName: "a", Consumer: consumer.RefTo(consumer.Query{By: consumer.ByCustomID, Value: "alice"})}},
			[]string{`username "alice"`, `custom_id "alice"`}},
		{"no name", []consumer.Credential{{Consumer: alice}}, []string{"credentials[0]", "subject_name", `""`}},
		{"control character", []consumer.Credential{good, {SubjectName: "a\n", Consumer: alice}}, []string{"credentials[1]", `"a\n"`}},
		{"not UTF-8", []consumer.Credential{{SubjectName: "\xff", Consumer: alice}}, []string{"subject_name"}},
		{"no consumer", []consumer.Credential{{SubjectName: "a"}}, []string{"consumer"}},
		{"CA that is not a UUID", []consumer.Credential{{SubjectName: "a", CACertificateID: "ca", Consumer: alice}}, []string{"ca_certificate", `"ca"`, "UUID"}},
		{"CA twice", []consumer.Credential{{SubjectName: "a", CACertificateID: uuid(1), CACertificateSHA256: [32]byte{1}, Consumer: alice}}, []string{"ca_certificate"}},
	} {
		got, err := consumer.NewCredentials(test.list)
		if (err == nil) != (test.want == nil) || (got == nil) != (err != nil) {
			t.Errorf("%s: got %v, %v", test.what, got, err)
			continue
		}
		for _, part := range test.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q is not in %q", test.what, part, err)
			}
		}
	}
}

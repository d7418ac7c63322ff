package mtlsauth

import (
	"reflect"
	"testing"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/pluginserver"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// passing lets requests pass as an answer says.
type passing struct{ *authn.Answer }

func (p passing) Handle(e *pluginserver.Event) error {
	calls, err := passCalls(p.Answer)
	if err == nil {
		e.Pass(calls)
	}
	return err
}

func (passing) Close() {}

// Groups of what an earlier plugin authenticated do not stay with the client's consumer or
// certificate. With the anonymous consumer they do, as in Lua mode.
func TestGroupsOfAnEarlierPlugin(t *testing.T) {
	alice := &consumer.Consumer{ID: "11111111-0000-4000-8000-000000000001", Username: "alice"}
	for _, test := range []struct {
		name   string
		answer authn.Answer
		groups any
	}{
		{"of the client's own", authn.Answer{CredentialID: "c", Groups: []string{"own"}}, []any{"own"}},
		{"a certificate alone", authn.Answer{CredentialID: "c"}, nil},
		{"a consumer", authn.Answer{Consumer: alice, CredentialID: "c"}, nil},
		{"the anonymous consumer", authn.Answer{Consumer: alice}, []any{"proxies"}},
		{"authenticated before", authn.Answer{}, []any{"proxies"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := handled(t, passing{&test.answer}, func(r *rpc.Request) { r.Shared[groupsKey] = []any{"proxies"} })
			if got := r.Shared[groupsKey]; r.Exit != nil || !reflect.DeepEqual(got, test.groups) {
				t.Errorf("answered %+v with groups %v, want %v", r.Exit, got, test.groups)
			}
		})
	}
}

package fakekong_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	pb "github.com/Kong/go-pdk/server/kong_plugin_protocol"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"mtls-auth/mtlsauth/internal/testing/fakekong/errlog"
)

// call is an argument of the probe's mode raw.
func call(method string, args proto.Message) string {
	return method + " " + hex.EncodeToString(enc(args))
}

func setting(method, key string, v any) string {
	value, err := structpb.NewValue(v)
	if err != nil {
		panic(err)
	}
	return call(method, &pb.KV{K: key, V: value})
}

func shared(v any) string { return setting("kong.ctx.shared.set", "authenticated_groups", v) }

func ctx(v any) string { return setting("kong.nginx.set_ctx", "authenticated_groups", v) }

func login(consumer *pb.Consumer, credential *pb.AuthenticatedCredential) string {
	return call("kong.client.authenticate", &pb.AuthenticateArgs{Consumer: consumer, Credential: credential})
}

// The whole of acl's decision, with what a plugin server's plugin leaves it.
func TestACL(t *testing.T) {
	type l = []any
	var (
		alice  = &pb.Consumer{Id: aliceID, Username: "alice"}
		bob    = &pb.Consumer{Id: bobID, Username: "bob"}
		credOf = func(id string) *pb.AuthenticatedCredential {
			return &pb.AuthenticatedCredential{Id: keyID, ConsumerId: id}
		}
		anonymous = login(alice, nil)
		real      = login(alice, credOf(aliceID))
		bobs      = login(bob, credOf(bobID))
		bare      = setting("kong.nginx.set_ctx", "authenticated_credential", map[string]any{"id": keyID})
		invalid   = "invalid authenticated_groups, a table was expected"
	)
	const (
		forbidden = "403 You cannot consume this service"
		nobody    = "401 Unauthorized"
		failed    = "500 An unexpected error occurred"
		staff     = "allow: [x, staff]"
		noStaff   = "deny: [x, staff]"
		always    = ", always_use_authenticated_groups: true"
		hidden    = ", hide_groups_header: true"
	)
	tests := []struct {
		name  string
		calls []string
		acl   string
		want  string // status and message, or the headers
		log   string
	}{
		{"nobody", nil, staff, nobody, ""},
		{"nobody denied", nil, noStaff, nobody, ""},
		{"credential, no groups", []string{bare}, staff, forbidden, ""},
		{"credential, no groups, deny", []string{bare}, noStaff, forbidden, ""},
		{"credential, groups", []string{bare, shared(l{"a", "staff"})}, staff, "authenticated: a, staff", ""},
		{"credential, other groups", []string{bare, shared(l{"a"})}, staff, forbidden, ""},
		{"credential, empty groups", []string{bare, shared(l{})}, staff, forbidden, ""},
		{"groups alone", []string{shared(l{"staff"})}, staff, "authenticated: staff", ""},
		{"groups in ngx.ctx", []string{bare, ctx(l{"staff"})}, staff, "authenticated: staff", ""},
		{"shared before ngx.ctx", []string{bare, ctx(l{"staff"}), shared(l{"a"})}, staff, forbidden, ""},
		{"text in shared", []string{bare, shared("staff")}, staff, forbidden, ""},
		{"text in shared, groups in ngx.ctx", []string{bare, shared("staff"), ctx(l{"staff"})}, staff, "authenticated: staff", ""},
		{"text in ngx.ctx", []string{bare, ctx("staff")}, staff, forbidden, invalid},
		{"nil in ngx.ctx is a text", []string{bare, ctx(nil)}, staff, forbidden, invalid},
		{"names, not a list", []string{bare, shared(map[string]any{"1": "staff"})}, staff, forbidden, ""},
		{"a group that is no text", []string{bare, shared(l{5})}, staff, failed, "does not emulate acl with a group that is no text: 5"},
		{"another case", []string{bare, shared(l{"Staff"})}, staff, forbidden, ""},
		{"hidden", []string{bare, shared(l{"staff"})}, staff + hidden, "", ""},
		{"denied", []string{bare, shared(l{"staff"})}, noStaff, forbidden, ""},
		{"not denied", []string{bare, shared(l{"a"})}, noStaff, "", ""},
		{"empty deny is allow", []string{bare, shared(l{"staff"})}, staff + ", deny: []", "authenticated: staff", ""},
		{"credential with the empty consumer_id", []string{login(nil, credOf("")), shared(l{"staff"})}, staff, failed,
			`[kong] init.lua:406 [acl] handler.lua:98: failed to get from node cache: [off] invalid primary key: '{id="expected a valid UUID"}', client: `},
		{"the same, always groups", []string{login(nil, credOf("")), shared(l{"staff"})}, staff + always, "authenticated: staff", ""},
		{"consumer with the empty id", []string{login(&pb.Consumer{}, nil)}, noStaff, failed, "invalid primary key"},
		{"credential names the consumer", []string{login(nil, credOf(aliceID))}, staff, "consumer: zoo, staff", ""},
		{"consumer", []string{real}, staff, "consumer: zoo, staff", ""},
		{"consumer, other groups", []string{real}, "allow: [y]", forbidden, ""},
		{"consumer without groups", []string{bobs}, staff, forbidden, ""},
		{"consumer denied", []string{real}, noStaff, forbidden, ""},
		{"consumer not denied", []string{real}, "deny: [y]", "consumer: zoo, staff", ""},
		{"consumer without groups not denied", []string{bobs}, noStaff, "consumer: ", ""},
		{"consumer before groups", []string{bobs, shared(l{"staff"})}, staff, forbidden, ""},
		{"always groups", []string{bobs, shared(l{"staff"})}, staff + always, "authenticated: staff", ""},
		{"always groups, but none", []string{real}, staff + always, "consumer: zoo, staff", ""},
		{"anonymous", []string{anonymous}, staff, "consumer: zoo, staff", ""},
		{"anonymous without groups", []string{login(bob, nil)}, staff, nobody, ""},
		{"groups before the anonymous one's", []string{anonymous, shared(l{"a"})}, staff, forbidden, ""},
		{"empty groups before the anonymous one's", []string{anonymous, shared(l{})}, staff, forbidden, ""},
		{"anonymous, text for groups", []string{anonymous, ctx("a")}, staff, "consumer: zoo, staff", invalid},
		{"credential set to nil is one", []string{anonymous, setting("kong.nginx.set_ctx", "authenticated_credential", nil), shared(l{"a"})}, staff, "consumer: zoo, staff", ""},
	}
	var config strings.Builder
	config.WriteString("_format_version: '3.0'\nservices: [{url: UPSTREAM, routes: [")
	for i, test := range tests {
		calls := ""
		for _, c := range test.calls {
			calls += fmt.Sprintf("%q, ", c)
		}
		fmt.Fprintf(&config, "{paths: [/%d/], plugins: [{name: probe, config: {mode: raw, vars: [%s]}}, {name: acl, config: {%s}}]},\n", i, calls, test.acl)
	}
	config.WriteString(`]}]
consumers:
- {id: ` + aliceID + `, username: alice, acls: [{id: bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb, group: staff}]}
- {id: ` + bobID + `, username: bob}
acls: [{id: aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa, consumer: alice, group: zoo}]
`)
	s := start(t, config.String())
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := len(s.Log().Lines())
			a := s.get(s.client(nil), fmt.Sprintf("%s/%d/", s.URL(), i))
			got := ""
			if a.StatusCode != 200 {
				got = fmt.Sprint(a.StatusCode, " ", message(t, a))
			}
			for kind, name := range map[string]string{"consumer": "X-Consumer-Groups", "authenticated": "X-Authenticated-Groups"} {
				if values, ok := a.echo.Headers[name]; ok {
					got += kind + ": " + strings.Join(values, "+")
				}
			}
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
			logged := ""
			for _, line := range s.Log().Lines()[before:] {
				if line.Level <= errlog.Warn {
					logged += line.Text
				}
			}
			if !strings.Contains(logged, test.log) || test.log == "" && logged != "" {
				t.Errorf("log %q, want %q", logged, test.log)
			}
		})
	}
}

// Kong's plugins run by their priorities, the plugin server's between: each sees
// what the ones before it did.
func TestOrderOfPlugins(t *testing.T) {
	bob := login(&pb.Consumer{Id: bobID}, &pb.AuthenticatedCredential{Id: "cert", ConsumerId: bobID})
	s := start(t, fmt.Sprintf(`
_format_version: "3.0"
services:
- url: UPSTREAM
  routes:
  - paths: [/or]
    plugins:
    - {name: acl, config: {allow: [staff]}}
    - {name: key-auth, config: {anonymous: nobody}}
    - {name: probe, config: {mode: raw, vars: [%q]}}
  - paths: [/and]
    plugins:
    - {name: acl, config: {allow: [staff]}}
    - {name: key-auth}
    - {name: probe, config: {mode: raw, vars: [%q]}}
consumers:
- {id: %s, username: alice, keyauth_credentials: [{key: k, id: %s}]}
- {id: %s, username: bob, acls: [{group: staff}]}
- {username: nobody}
`, bob, bob, aliceID, keyID, bobID))
	c := s.client(nil)
	// The probe (1600) has set a credential: key-auth leaves the request alone,
	// key or not, and acl sees bob.
	for _, query := range []string{"", "?apikey=k", "?apikey=wrong"} {
		if a := s.get(c, s.URL()+"/or"+query); a.StatusCode != 200 || a.header("X-Consumer-Groups") != "staff" || a.header("X-Anonymous-Consumer") != "" {
			t.Errorf("or %q: %d %s", query, a.StatusCode, a.body)
		}
	}
	// Without anonymous both must be right, and the later one's consumer counts.
	if a := s.get(c, s.URL()+"/and"); a.StatusCode != 401 || message(t, a) != "No API key found in request" {
		t.Errorf("and, no key: %d %s", a.StatusCode, a.body)
	}
	if a := s.get(c, s.URL()+"/and?apikey=k"); a.StatusCode != 403 {
		t.Errorf("and, alice is not of the staff: %d %s", a.StatusCode, a.body)
	}
	s.wait("records", func() bool { return len(s.Access()) == 5 })
	for i, want := range []string{bobID, bobID, bobID, bobID, aliceID} {
		if got := s.Access()[i].Consumer["id"]; got != want {
			t.Errorf("record %d: consumer %v, want %s", i+1, got, want)
		}
	}
	if e := s.Access()[0].Authenticated; e["id"] != "cert" || e["consumer_id"] != bobID {
		t.Errorf("authenticated_entity %v", e)
	}
}

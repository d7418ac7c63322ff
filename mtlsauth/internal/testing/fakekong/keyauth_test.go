package fakekong_test

import (
	"net/http"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/fakekong"
	"mtls-auth/mtlsauth/internal/testing/fakekong/errlog"
)

const (
	aliceID = "11111111-1111-4111-8111-111111111111"
	bobID   = "22222222-2222-4222-8222-222222222222"
	anonID  = "33333333-3333-4333-8333-333333333333"
	keyID   = "44444444-4444-4444-8444-444444444444"
)

// plain starts a stand-in without a plugin server.
func plain(t *testing.T, config string) *standIn {
	t.Helper()
	return start(t, config, func(o *fakekong.Options) { o.QueryCommand, o.StartCommand = "", "" })
}

const keys = `
_format_version: "3.0"
services:
- url: UPSTREAM
  routes:
  - {paths: [/and], plugins: [{name: key-auth, config: {realm: null}}]}
  - {paths: [/realm], plugins: [{name: key-auth, config: {realm: here}}]}
  - {paths: [/or], plugins: [{name: key-auth, config: {anonymous: nobody}}]}
  - {paths: [/orid], plugins: [{name: key-auth, config: {anonymous: 33333333-3333-4333-8333-333333333333}}]}
  - {paths: [/gone], plugins: [{name: key-auth, config: {anonymous: ghost}}]}
  - {paths: [/hide], plugins: [{name: key-auth, config: {hide_credentials: true, key_names: [x-key, apikey]}}]}
  - {paths: [/names], plugins: [{name: key-auth, config: {key_names: [X_Api_Key, second]}}]}
  - {paths: [/header], plugins: [{name: key-auth, config: {key_in_query: false}}]}
  - {paths: [/query], plugins: [{name: key-auth, config: {key_in_header: false}}]}
  - {paths: [/preflight], plugins: [{name: key-auth, config: {run_on_preflight: false}}]}
consumers:
- {id: 11111111-1111-4111-8111-111111111111, username: alice, custom_id: c-1, keyauth_credentials: [{id: 44444444-4444-4444-8444-444444444444, key: a key}]}
- {id: 22222222-2222-4222-8222-222222222222, custom_id: c-2}
- {id: 33333333-3333-4333-8333-333333333333, username: nobody}
keyauth_credentials:
- {key: bobs, consumer: 22222222-2222-4222-8222-222222222222}
`

// forged is what a client may send in the hope that it gets through.
var forged = []string{"X-Consumer-Id", "e", "X-Consumer-Username", "e", "X-Consumer-Custom-Id", "e", "X-Credential-Identifier", "e", "X-Anonymous-Consumer", "e"}

// identity is the headers that an upstream sees of who the client is.
func (a answer) identity() string {
	var out []string
	for _, name := range []string{"X-Consumer-Id", "X-Consumer-Username", "X-Consumer-Custom-Id", "X-Credential-Identifier", "X-Anonymous-Consumer"} {
		if values := a.echo.Headers[name]; values != nil {
			out = append(out, strings.TrimPrefix(name, "X-")+"="+strings.Join(values, "+"))
		}
	}
	return strings.Join(out, " ")
}

func TestKeyAuth(t *testing.T) {
	const (
		alice  = "Consumer-Id=" + aliceID + " Consumer-Username=alice Consumer-Custom-Id=c-1 Credential-Identifier=" + keyID
		nobody = "Consumer-Id=" + anonID + " Consumer-Username=nobody Anonymous-Consumer=true"
		none   = "No API key found in request"
	)
	s := plain(t, keys)
	c := s.client(nil)
	for _, test := range []struct {
		name, path string
		header     []string
		code       int
		want       string // who, or the message
		challenge  string
	}{
		{"header", "/and", []string{"Apikey", "a key"}, 200, alice, ""},
		{"query", "/and?apikey=a%20key", nil, 200, alice, ""},
		{"plus is a space", "/and?x=1&apikey=a+key", nil, 200, alice, ""},
		{"header before query", "/and?apikey=bobs", []string{"Apikey", "a key"}, 200, alice, ""},
		{"a wrong header hides a right query", "/and?apikey=bobs", []string{"Apikey", "no"}, 401, "Unauthorized", "Key"},
		{"none", "/and", nil, 401, none, "Key"},
		{"empty", "/and", []string{"Apikey", ""}, 401, none, "Key"},
		{"an argument without a value", "/and?apikey", nil, 401, none, "Key"},
		{"an argument of another case", "/and?ApiKey=bobs", nil, 401, none, "Key"},
		{"wrong", "/realm?apikey=x", nil, 401, "Unauthorized", `Key realm="here"`},
		{"two headers", "/realm", []string{"Apikey", "a key", "Apikey", "a key"}, 401, "Duplicate API key found", `Key realm="here"`},
		{"two arguments", "/realm?apikey=bobs&apikey=bobs", nil, 401, "Duplicate API key found", `Key realm="here"`},
		{"custom_id alone", "/and?apikey=bobs", nil, 200, "Consumer-Id=" + bobID + " Consumer-Custom-Id=c-2 Credential-Identifier=?", ""},
		{"or, right", "/or?apikey=a%20key", nil, 200, alice, ""},
		{"or, none", "/or", nil, 200, nobody, ""},
		{"or, wrong", "/orid?apikey=x", nil, 200, nobody, ""},
		{"no such anonymous", "/gone", nil, 500, "anonymous consumer ghost is configured but doesn't exist", ""},
		{"anonymous not needed", "/gone?apikey=a%20key", nil, 200, alice, ""},
		{"name with _ for -", "/names", []string{"X-Api-Key", "a key"}, 200, alice, ""},
		{"second name", "/names?second=a+key", nil, 200, alice, ""},
		{"first name without a value", "/names?X_Api_Key&second=a+key", nil, 200, alice, ""},
		{"first name with an empty value", "/names?X_Api_Key=&second=a+key", nil, 401, none, "Key"},
		{"not in the query", "/header?apikey=bobs", nil, 401, none, "Key"},
		{"not in the header", "/query", []string{"Apikey", "a key"}, 401, none, "Key"},
		{"no preflight", "/preflight", nil, 401, none, "Key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := s.get(c, s.URL()+test.path, append(test.header, forged...)...)
			got := a.identity()
			if a.StatusCode != 200 {
				got = message(t, a)
			}
			if who, _, any := strings.Cut(test.want, "?"); a.StatusCode != test.code || any && !strings.HasPrefix(got, who) || !any && got != test.want {
				t.Errorf("%d %s, want %d %s", a.StatusCode, got, test.code, test.want)
			}
			if got := a.Header.Get("WWW-Authenticate"); got != test.challenge {
				t.Errorf("WWW-Authenticate %q, want %q", got, test.challenge)
			}
		})
	}
	if n := s.Log().Count(errlog.Error, "[key-auth] anonymous consumer ghost is configured but doesn't exist"); n != 1 {
		t.Errorf("%d log lines about ghost", n)
	}
	for path, want := range map[string]int{"/preflight": 200, "/and": 401} {
		req, _ := http.NewRequest("OPTIONS", s.URL()+path, nil)
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("OPTIONS %s: %d, want %d", path, res.StatusCode, want)
		}
	}
}

// What the access log has of a client with a key: Kong's serializer shows of
// the credential its id, and no consumer_id, which a key has not.
func TestKeyAuthInTheLog(t *testing.T) {
	s := plain(t, keys)
	s.get(s.client(nil), s.URL()+"/and?apikey=a+key")
	s.get(s.client(nil), s.URL()+"/or")
	s.get(s.client(nil), s.URL()+"/and")
	s.wait("records", func() bool { return len(s.Access()) == 3 })
	got := s.Access()
	if e := got[0].Authenticated; len(e) != 1 || e["id"] != keyID || got[0].Consumer["username"] != "alice" {
		t.Errorf("key: %v %v", e, got[0].Consumer)
	}
	if got[1].Authenticated != nil || got[1].Consumer["id"] != anonID {
		t.Errorf("anonymous: %v %v", got[1].Authenticated, got[1].Consumer)
	}
	if got[2].Authenticated != nil || got[2].Consumer != nil || got[2].Response.Status != 401 {
		t.Errorf("nobody: %+v", got[2])
	}
}

// A hidden key is gone from headers and query, and the rest of the query comes
// out in another spelling; the log has the request as it came.
func TestHiddenKeys(t *testing.T) {
	s := plain(t, keys)
	a := s.get(s.client(nil), s.URL()+"/hide?x=%20~*&apikey=no&y", "Apikey", "a key", "X-Key", "")
	if a.StatusCode != 401 {
		t.Errorf("an empty key of the first name: %d %s", a.StatusCode, a.body)
	}
	a = s.get(s.client(nil), s.URL()+"/hide?x=%20~*&apikey=no&y", "Apikey", "a key")
	if a.StatusCode != 200 || a.echo.Headers["Apikey"] != nil || a.echo.Query != "x=+%7E*&y=" {
		t.Errorf("%d %v %q", a.StatusCode, a.echo.Headers["Apikey"], a.echo.Query)
	}
	s.wait("a record", func() bool { return len(s.Access()) == 2 })
	if uri := s.Access()[1].Request.URI; uri != "/hide?x=%20~*&apikey=no&y" {
		t.Errorf("URI %q", uri)
	}
	if a = s.get(s.client(nil), s.URL()+"/and?x=%20~*&apikey=bobs&y"); a.echo.Query != "x=%20~*&apikey=bobs&y" {
		t.Errorf("not hidden: %q", a.echo.Query)
	}
}

// message is the message of one of Kong's own answers.
func message(t *testing.T, a answer) string {
	t.Helper()
	_, text, ok := strings.Cut(a.body, `{"message":"`)
	text, _, ok2 := strings.Cut(text, `","request_id":"`)
	if !ok || !ok2 || a.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("no answer of Kong's: %s", a.body)
	}
	return text
}

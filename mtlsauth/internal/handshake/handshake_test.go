package handshake_test

import (
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/handshake"
)

// headers are the request headers that the plugin sets, in lower case. The access code drops
// what looks like one of them, with "_" for "-".
var headers = strings.Split(strings.ToLower(strings.Join(authn.HeaderNames(), " ")), " ")

// Lua and Go must speak of the same headers, key and length.
func TestLuaSaysTheSame(t *testing.T) {
	for _, name := range headers {
		if !strings.Contains(handshake.Access, `["`+name+`"] = true`) {
			t.Errorf("access.lua does not have %s", name)
		}
	}
	if got, want := strings.Count(handshake.Access, `"] = true`), len(headers); got != want {
		t.Errorf("access.lua has %d headers, want %d", got, want)
	}
	for _, want := range []string{"kong.ctx.shared." + handshake.ChainKey + " = chain", "#chain > 65536"} {
		if !strings.Contains(handshake.Access, want) {
			t.Errorf("access.lua has no %q", want)
		}
	}
}

// With more headers than Kong lists, every spelling is cleared unseen.
func TestLuaManyHeaders(t *testing.T) {
	out := runLua(t, "access.lua", "many")
	cleared := map[string]bool{}
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "clear "); ok {
			cleared[name] = true
		}
	}
	for _, name := range headers {
		words := strings.Split(name, "-")
		for n := range 1 << (len(words) - 1) {
			spelling := words[0]
			for i, word := range words[1:] {
				spelling += string("-_"[n>>i&1]) + word
			}
			if !cleared[spelling] {
				t.Errorf("%s was not cleared", spelling)
			}
		}
	}
}

// runLua runs the harness and returns what it prints.
func runLua(t *testing.T, file, kase string) string {
	t.Helper()
	L := lua.NewState()
	defer L.Close()
	var out strings.Builder
	L.SetGlobal("print", L.NewFunction(func(L *lua.LState) int {
		out.WriteString(L.CheckString(1) + "\n")
		return 0
	}))
	arg := L.NewTable()
	arg.Append(lua.LString(file))
	arg.Append(lua.LString(kase))
	L.SetGlobal("arg", arg)
	if err := L.DoFile("testdata/harness.lua"); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// The code with a made-up kong.
func TestLua(t *testing.T) {
	const cleared = "clear X_Anonymous_Consumer\nclear x_client-cert_dn\nclear x_consumer_id\n"
	for _, test := range []struct{ file, kase, want string }{
		{"certificate.lua", "good", "no-reuse\nrequest\nchain stale\n"},
		{"certificate.lua", "fails", "err mtls-auth: disable_session_reuse:  broken\nerr mtls-auth: request_client_certificate:  broken\nno-reuse\nrequest\nchain stale\n"},
		{"access.lua", "good", cleared + "headers 1000\nchain PEM\n"},
		{"access.lua", "none", cleared + "headers 1000\nchain nil\n"},
		{"access.lua", "plain", cleared + "headers 1000\nchain nil\n"},
		{"access.lua", "most", cleared + "headers 1000\nchain 65536\n"},
		{"access.lua", "long", cleared + "headers 1000\nchain 65410\n"}, // 62 of 1,055 bytes
		{"access.lua", "endless", cleared + "headers 1000\nchain nil\n"},
		{"access.lua", "fails", cleared + "err mtls-auth: get_full_client_certificate_chain:  broken\nheaders 1000\nchain nil\n"},
	} {
		t.Run(test.file+" "+test.kase, func(t *testing.T) {
			if out := runLua(t, test.file, test.kase); out != test.want {
				t.Errorf("%s\nwant\n%s", out, test.want)
			}
		})
	}
}

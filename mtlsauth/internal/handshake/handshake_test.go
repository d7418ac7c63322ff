package handshake_test

import (
	"os/exec"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/handshake"
)

func TestLookAlike(t *testing.T) {
	for name, want := range map[string]bool{
		"X_Consumer_ID": true, "x-consumer_id": true, "X_Client-Cert_DN": true, "X_ANONYMOUS_CONSUMER": true,
		"X-Consumer-ID": false, "X_Consumer": false, "X__Consumer_ID": false, "_": false, "": false,
	} {
		if got := handshake.LookAlike(name); got != want {
			t.Errorf("LookAlike(%q) = %v, want %v", name, got, want)
		}
	}
}

// Lua and Go must speak of the same headers, key and length.
func TestLuaSaysTheSame(t *testing.T) {
	for _, name := range handshake.Headers() {
		if !strings.Contains(handshake.Access, `["`+name+`"] = true`) {
			t.Errorf("access.lua does not have %s", name)
		}
	}
	if got, want := strings.Count(handshake.Access, `"] = true`), len(handshake.Headers()); got != want {
		t.Errorf("access.lua has %d headers, want %d", got, want)
	}
	for _, want := range []string{"kong.ctx.shared." + handshake.ChainKey + " = chain", "#chain > 65536"} {
		if !strings.Contains(handshake.Access, want) {
			t.Errorf("access.lua has no %q", want)
		}
	}
	if handshake.MaxChain != 65536 {
		t.Errorf("MaxChain %d", handshake.MaxChain)
	}
}

func TestSame(t *testing.T) {
	code := handshake.Access
	for _, test := range []struct {
		name, text string
		want       bool
	}{
		{"itself", code, true},
		{"white space at line ends", strings.ReplaceAll(code, "\n", " \t\r\n") + "\n\n", true},
		{"no final line end", strings.TrimRight(code, "\n"), true},
		{"another indentation", strings.Replace(code, "\n  ", "\n    ", 1), false},
		{"a line more", code + "kong.response.exit(200)\n", false},
		{"a comment gone", code[strings.Index(code, "\n")+1:], false},
		{"nothing", "", false},
		{"the other", handshake.Certificate, false},
	} {
		if got := handshake.Same(test.text, code); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
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
	for _, name := range handshake.Headers() {
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

func runLua(t *testing.T, file, kase string) string {
	t.Helper()
	luajit, err := exec.LookPath("luajit")
	if err != nil {
		t.Skip("SKIPPED: the shipped Lua was not run, since luajit is not installed (apt-get install luajit)")
	}
	out, err := exec.Command(luajit, "testdata/harness.lua", file, kase).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// Runs the Lua with a made-up kong, where LuaJIT is installed.
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

func TestBounded(t *testing.T) {
	one := "-----BEGIN CERTIFICATE-----\n" + strings.Repeat("x", 1000) + "\n-----END CERTIFICATE-----\n"
	for _, test := range []struct {
		chain string
		want  int
	}{{"", 0}, {one, len(one)}, {strings.Repeat(one, 70), 62 * len(one)}, {strings.Repeat("x", handshake.MaxChain), handshake.MaxChain}, {strings.Repeat("x", handshake.MaxChain+1), 0}} {
		if got := handshake.Bounded(test.chain); len(got) != test.want || !strings.HasPrefix(test.chain, got) {
			t.Errorf("%d bytes of %d, want %d", len(got), len(test.chain), test.want)
		}
	}
}

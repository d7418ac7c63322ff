package engine

import (
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/flags"
	"mtls-auth/mtlsauth/internal/konglog"
)

// The Lua plugin writes what is printed to Kong's log: no request repeats it, and nothing
// is said of sources that are not used.
func TestWhatIsPrintedInLuaMode(t *testing.T) {
	for _, lua := range []bool{false, true} {
		var out strings.Builder
		e, err := Open(flags.Options{Name: "mtls-auth", Prefix: t.TempDir(), MinRSABits: 2048, MaxCRLSize: 1 << 20, LuaMode: lua}, &out)
		if err != nil {
			t.Fatal(err)
		}
		e.Background().Error("a fault")
		r := new(listening)
		e.StartWith("mtls-auth", []byte(`{"ca_certificates":["6f1c1a5e-1a5e-4c1a-9a5e-6f1c1a5e4c1a"]}`), nil).Refused(r)
		got := slices.ContainsFunc(r.lines, func(l konglog.Line) bool { return strings.Contains(l.Text, "a fault") })
		if got == lua {
			t.Errorf("lua %v: the request's lines are %q", lua, r.lines)
		}
		if strings.Contains(out.String(), "no source of CA certificates") || !strings.Contains(out.String(), "a fault") {
			t.Errorf("lua %v: printed %s", lua, &out)
		}
	}
}

// That there is no source is said when the first configuration needs one, once: a server
// that serves Lua mode needs none, also one that an operator started.
func TestNoSourceIsSaidWhenOneIsNeeded(t *testing.T) {
	var out strings.Builder
	e, err := Open(flags.Options{Name: "mtls-auth", Prefix: t.TempDir(), MinRSABits: 2048, MaxCRLSize: 1 << 20}, &out)
	if err != nil {
		t.Fatal(err)
	}
	configured := []byte(`{"ca_certificates":["6f1c1a5e-1a5e-4c1a-9a5e-6f1c1a5e4c1a"]}`)
	e.StartWith("mtls-auth", configured, nil)
	if out.Len() > 0 {
		t.Errorf("before: %s", &out)
	}
	e.Start(configured)
	e.Start(configured)
	if got := strings.Count(out.String(), "no source of CA certificates"); got != 1 {
		t.Errorf("said %d times: %s", got, &out)
	}
}

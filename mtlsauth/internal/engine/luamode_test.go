package engine

import (
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/flags"
	"mtls-auth/mtlsauth/internal/konglog"
)

// logged is a request that notes its lines.
type logged struct{ lines []string }

func (*logged) Time() time.Time         { return time.Now() }
func (l *logged) Log(line konglog.Line) { l.lines = append(l.lines, line.Text) }
func (*logged) SessionReused() string   { return "" }

// The Lua plugin writes what is printed to Kong's log: no request repeats it, and nothing
// is said of sources that are not used.
func TestWhatIsPrintedInLuaMode(t *testing.T) {
	for _, lua := range []bool{false, true} {
		var out strings.Builder
		e, err := Open(flags.Options{Name: "mtls-auth", Prefix: t.TempDir(), MinRSABits: 2048, MaxCRLSize: 1 << 20, LuaMode: lua}, nil, &out)
		if err != nil {
			t.Fatal(err)
		}
		e.Background().Error("a fault")
		r := new(logged)
		e.StartHeld([]byte(`{"ca_certificates":["6f1c1a5e-1a5e-4c1a-9a5e-6f1c1a5e4c1a"]}`), nil).Refused(r)
		if got := strings.Contains(strings.Join(r.lines, "\n"), "a fault"); got == lua {
			t.Errorf("lua %v: the request's lines are %q", lua, r.lines)
		}
		if got := strings.Contains(out.String(), "no source of CA certificates"); got == lua || !strings.Contains(out.String(), "a fault") {
			t.Errorf("lua %v: printed %s", lua, &out)
		}
	}
}

package engine

import (
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/konglog"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// listening is a door that keeps the lines of the log.
type listening struct{ lines []konglog.Line }

func (l *listening) Time() time.Time       { return time.Now() }
func (l *listening) Log(line konglog.Line) { l.lines = append(l.lines, line) }
func (l *listening) SessionReused() string { return "." }

// A configuration that comes with its CA certificates is one policy with equal
// ones, and no source is asked for anything.
func TestHeldPolicies(t *testing.T) {
	p := newTestEngine()
	p.cold = authn.NewCold(nil)
	root := pki.NewCA("root")
	config := func(more string) []byte {
		return []byte(`{"ca_certificates":["` + someID + `"],"skip_consumer_lookup":true,"revocation_check_mode":"SKIP"` + more + `}`)
	}
	cas := []kongdata.Entity{{ID: someID, Cert: root.PEM()}}
	one, two := p.StartHeld(config(`,"__seq__":1`), cas), p.StartHeld(config(`,"__seq__":2`), cas)
	partial := p.StartHeld(config(`,"allow_partial_chain":true`), cas)
	replaced := p.StartHeld(config(``), []kongdata.Entity{{ID: someID, Cert: pki.NewCA("another").PEM()}})
	sources := p.Start(config(``))
	if one.policy != two.policy || one.policy == partial.policy || one.policy == replaced.policy || one.policy == sources.policy {
		t.Error("equal configurations with equal CA certificates should share a policy, and others not")
	}
	if len(p.held) != 2 {
		t.Errorf("%d sets of CA certificates, want 2", len(p.held))
	}
	door := new(listening)
	shown := authn.Presented{Leaf: []byte(root.Client("alice").PEM())}
	for in, want := range map[*Instance]bool{one: true, partial: true, replaced: false} {
		if d := in.DecideBy(t.Context(), door, nil, shown); d.Passed() != want {
			t.Errorf("got %v, %s", d.Reason, d.Detail)
		}
	}
	for _, in := range []*Instance{one, two, partial, replaced, sources} {
		in.Close()
	}
	if len(p.policies) != 0 || len(p.held) != 0 {
		t.Errorf("%d policies and %d sets of CA certificates are left over", len(p.policies), len(p.held))
	}
}

// What is wrong with sources concerns only those who use them.
func TestFaultsOfSources(t *testing.T) {
	p := newTestEngine()
	p.log.Sources.Warn("a source is down")
	held, other := p.StartHeld([]byte(`{}`), nil), p.Start([]byte(`{}`))
	about := func(in *Instance) string {
		door := new(listening)
		in.Refused(door)
		var b strings.Builder
		for _, line := range door.lines {
			b.WriteString(line.Text + "\n")
		}
		return b.String()
	}
	if got := about(held); strings.Contains(got, "a source is down") || !strings.Contains(got, "configuration refused") {
		t.Errorf("a door without sources was told:\n%s", got)
	}
	if got := about(other); !strings.Contains(got, "a source is down") {
		t.Errorf("a door with sources was told:\n%s", got)
	}
}

// What is written each time a decision is used again is its own line.
func TestAgain(t *testing.T) {
	for level, want := range map[slog.Level]bool{slog.LevelInfo: false, slog.LevelDebug: true} {
		p := newTestEngine()
		p.log = konglog.New("mtls-auth", level, slog.NewTextHandler(io.Discard, nil))
		in := p.StartHeld([]byte(`{"ca_certificates":["`+someID+`"]}`), nil)
		line, ok := in.Again(new(listening), &authn.Decision{Reason: authn.Passed}, authn.Presented{})
		if ok != want || ok && line.Text != `[mtls-auth] reason="passed" chain="false" resumed="false"` {
			t.Errorf("at %v: got %v, %+v", level, ok, line)
		}
		if line, ok := in.Again(new(listening), authn.Deny(authn.Expired, nil), authn.Presented{}); !ok || line.Severity() != "notice" {
			t.Errorf("a refusal at %v: got %v, %+v", level, ok, line)
		}
	}
}

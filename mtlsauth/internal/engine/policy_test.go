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

// listening is a request that keeps the lines of the log.
type listening struct{ lines []konglog.Line }

func (l *listening) Time() time.Time       { return time.Now() }
func (l *listening) Log(line konglog.Line) { l.lines = append(l.lines, line) }
func (l *listening) SessionReused() string { return "." }

// Configurations that come with equal CA certificates share those, and no source is asked
// for anything.
func TestStartWith(t *testing.T) {
	e := newTestEngine()
	root := pki.NewCA("root")
	configured := func(more string) []byte {
		return []byte(`{"ca_certificates":["` + someID + `"],"skip_consumer_lookup":true,"revocation_check_mode":"SKIP"` + more + `}`)
	}
	cas := []kongdata.Entity{{ID: someID, Cert: root.PEM()}}
	one, partial := e.StartWith("mtls-auth", configured(``), cas), e.StartWith("mtls-auth", configured(`,"allow_partial_chain":true`), cas)
	replaced := e.StartWith("mtls-auth", configured(``), []kongdata.Entity{{ID: someID, Cert: pki.NewCA("another").PEM()}})
	if len(e.sets) != 2 || len(e.policies) != 0 {
		t.Errorf("%d sets of CA certificates and %d policies, want 2 and none", len(e.sets), len(e.policies))
	}
	shown := authn.Presented{Leaf: []byte(root.Client("alice").PEM())}
	for name, row := range map[string]struct {
		policy *Policy
		passes bool
	}{
		"its CA":                 {one, true},
		"another policy of it":   {partial, true},
		"the CA was replaced by": {replaced, false},
	} {
		if d := row.policy.DecideBy(t.Context(), new(listening), nil, shown); d.Passed() != row.passes {
			t.Errorf("%s: got %v, %s", name, d.Reason, d.Detail)
		}
	}
	for _, p := range []*Policy{one, partial, replaced} {
		p.Close()
	}
	if len(e.sets) != 0 {
		t.Errorf("%d sets of CA certificates are left over", len(e.sets))
	}
}

// What is wrong with sources concerns only policies that use them.
func TestFaultsOfSources(t *testing.T) {
	for name, row := range map[string]struct {
		start func(*Engine) *Policy
		told  bool
	}{
		"with sources":    {func(e *Engine) *Policy { return e.Start([]byte(`{}`)) }, true},
		"without sources": {func(e *Engine) *Policy { return e.StartWith("mtls-auth", []byte(`{}`), nil) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := newTestEngine()
			e.log.Sources.Warn("a source is down")
			r := new(listening)
			row.start(e).Refused(r)
			var b strings.Builder
			for _, line := range r.lines {
				b.WriteString(line.Text + "\n")
			}
			if got := b.String(); strings.Contains(got, "a source is down") != row.told || !strings.Contains(got, "configuration refused") {
				t.Errorf("told:\n%s", got)
			}
		})
	}
}

// What is written each time a decision is used again is its own line.
func TestAgain(t *testing.T) {
	for level, want := range map[slog.Level]bool{slog.LevelInfo: false, slog.LevelDebug: true} {
		e := newTestEngine()
		e.log = konglog.New("mtls-auth", level, slog.NewTextHandler(io.Discard, nil))
		p := e.StartWith("mtls-auth", []byte(`{"ca_certificates":["`+someID+`"]}`), nil)
		line, ok := p.Again(new(listening), &authn.Decision{Reason: authn.Passed}, authn.Presented{})
		if ok != want || ok && line.Text != `[mtls-auth] reason="passed" chain="false" resumed="false"` {
			t.Errorf("at %v: got %v, %+v", level, ok, line)
		}
		if line, ok := p.Again(new(listening), authn.Deny(authn.Expired, nil), authn.Presented{}); !ok || line.Severity() != "notice" {
			t.Errorf("a refusal at %v: got %v, %+v", level, ok, line)
		}
	}
}

package engine

import (
	"errors"
	"io"
	"log/slog"
	"testing"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/flags"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/konglog"
)

const someID = "6f1c1a5e-1a5e-4c1a-9a5e-6f1c1a5e4c1a"

func newTestEngine() *Engine {
	log := konglog.New("mtls-auth", slog.LevelInfo, slog.NewTextHandler(io.Discard, nil))
	return newEngine(log, minMemory, kongdata.NewStore(kongdata.Options{Log: log.Sources.Logger}))
}

// Kong starts an instance of an equal configuration in each worker and at each
// reload: they share one policy, which lives as long as any of them.
func TestEqualConfigurationsShareAPolicy(t *testing.T) {
	e := newTestEngine()
	config := func(more string) []byte {
		return []byte(`{"ca_certificates":["` + someID + `"],"skip_consumer_lookup":true,"revocation_check_mode":"SKIP"` + more + `}`)
	}
	one := e.Start(config(`,"__seq__":1,"__plugin_id":"a"`))
	two := e.Start(config(`,"__seq__":2,"__plugin_id":"b"`))
	other := e.Start(config(`,"allow_partial_chain":true`))
	if one != two || one == other {
		t.Error("equal configurations should share a policy, and others not")
	}
	if n := len(e.policies); n != 2 {
		t.Errorf("%d policies, want 2", n)
	}
	one.Close()
	if n := len(e.policies); n != 2 {
		t.Errorf("a policy in use is gone: %d are left, want 2", n)
	}
	if again := e.Start(config(``)); again != two {
		t.Error("a policy in use was made again")
	} else {
		again.Close()
	}
	two.Close()
	other.Close()
	if n := len(e.policies); n != 0 {
		t.Errorf("%d policies are left over", n)
	}
	refused := e.Start([]byte(`{}`))
	refused.Close()
	if refused.denied == nil || refused.denied.Status() != 500 {
		t.Error("a refused configuration does not answer 500")
	}
}

// Flags that cannot be used refuse what would be right with others.
func TestRefusingRefusesAll(t *testing.T) {
	p := Refusing(flags.Options{Name: "mtls-auth"}, errors.New("a wrong setting"), io.Discard)
	in := p.Start([]byte(`{"ca_certificates":["` + someID + `"],"skip_consumer_lookup":true}`))
	if in.denied == nil || in.denied.Status() != 500 || in.denied.Reason != authn.BadConfig || in.denied.Detail != "a wrong setting" {
		t.Errorf("got %+v, want 500 and why", in.denied)
	}
}

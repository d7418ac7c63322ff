package mtlsauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/engine"
	"mtls-auth/mtlsauth/internal/metrics"
	"mtls-auth/mtlsauth/internal/pluginserver"
)

// instances starts instances.
type instances struct {
	*engine.Engine
	guard    *guard
	settings *settings
	metrics  *metrics.Metrics
}

// instance is a configuration in one of Kong's workers.
type instance struct {
	*engine.Policy
	guard   *guard
	metrics *metrics.Metrics
	peers   *peers // where the certificate comes in a header
}

var (
	_ pluginserver.Plugin   = instances{}
	_ pluginserver.Instance = instance{}
)

// Start makes an instance of a configuration. It waits for nothing.
func (p instances) Start(config []byte) pluginserver.Instance {
	p.guard.detect()
	in := instance{Policy: p.Engine.Start(config), guard: p.guard, metrics: p.metrics}
	if in.Header() != nil {
		if p.guard.old.Load() {
			in.Close()
			in.Policy = p.Engine.Refuse(errOldKong)
			return in
		}
		p.settings.warn(in.Header())
		in.peers = newPeers(p.settings)
	}
	return in
}

var errOldKong = errors.New("header-cert-auth in plugin-server mode needs Kong 3.8 or later: use Lua mode")

// Handle is the access phase: the evidence in one round of calls, the
// decision, its answer and, where one is due, a line in Kong's log. It gives
// no other answer than the decision's.
func (in instance) Handle(e *pluginserver.Event) error {
	if e.Phase() != "access" {
		return fmt.Errorf("phase %q: the plugin has no other than access", e.Phase())
	}
	r := request{e}
	if d := in.Refused(r); d != nil {
		return in.answer(e, d)
	}
	if in.Header() != nil {
		evidence, cleared, err := in.fromHeaders(e)
		if err != nil {
			return err
		}
		return in.answer(e, in.Decide(context.Background(), r, evidence), cleared...)
	}
	replies, err := e.Ask(evidenceOf(in.Policy))
	if err != nil {
		return err
	}
	evidence, cleared, err := presented(in.Policy, replies)
	if err != nil {
		return err
	}
	guarded, leaf := in.guard.needed.Load(), ""
	if guarded {
		leaf = string(evidence.Leaf) // the bytes are Kong's next reply's, if there is one
	}
	d := in.Decide(context.Background(), r, evidence)
	if d.GoesOn() && guarded {
		// Not earlier: the request goes on where this process ends in between.
		if err := markPassed(e, leaf); err != nil {
			return err
		}
	}
	return in.answer(e, d, cleared...)
}

// answer answers and counts.
func (in instance) answer(e *pluginserver.Event, d *authn.Decision, cleared ...string) error {
	if err := answer(e, d, cleared...); err != nil {
		return err
	}
	now := time.Now()
	in.metrics.Request(in.Plugin(), d)
	in.metrics.Decided(in.Plugin(), d, now, now.Sub(e.Time()))
	return nil
}

// answer gives the decision's answer, and no other: only one that goes on ends
// in a pass. Headers of the names in cleared do not reach the upstream.
func answer(e *pluginserver.Event, d *authn.Decision, cleared ...string) error {
	a := d.Answer()
	e.Tell(tellRecord(d))
	if d.GoesOn() {
		calls, err := passCalls(a)
		if err != nil {
			return err
		}
		e.Tell(pluginserver.Call(setHeaders, headerArguments(a, cleared)))
		e.Pass(calls)
		return nil
	}
	grpc, err := isGRPC(e)
	if err != nil {
		return err
	}
	calls, err := exitCalls(a, grpc)
	if err != nil {
		return err
	}
	e.Exit(calls)
	return nil
}

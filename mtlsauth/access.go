package mtlsauth

import (
	"context"
	"fmt"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/pluginserver"
)

// instance is a configuration in one of Kong's workers.
type instance struct {
	plugin *Plugin
	policy *sharedPolicy   // nil when the configuration was refused
	denied *authn.Decision // the answer to every request, when it was
}

var _ pluginserver.Instance = (*instance)(nil)

// Handle is the access phase: the evidence in one round of calls, the
// decision, its answer and, where one is due, a line in Kong's log. It gives
// no other answer than the decision's.
func (in *instance) Handle(e *pluginserver.Event) error {
	if e.Phase() != "access" {
		return fmt.Errorf("phase %q: the plugin has no other than access", e.Phase())
	}
	in.plugin.log.forward(e)
	if in.denied != nil {
		in.plugin.log.decision(e, in.denied, false)
		return answer(e, in.denied)
	}
	questions := askEvidence
	if in.policy.AsksCredential() {
		questions = askEvidenceAndCredential
	}
	replies, err := e.Ask(questions)
	if err != nil {
		return err
	}
	evidence, err := presented(replies)
	if err != nil {
		return err
	}
	if in.policy.asks {
		in.plugin.first.wait()
	}
	d := in.policy.Authenticate(context.Background(), evidence, directory{in.plugin, e, in.policy.Known()}, e.Time())
	in.plugin.log.decision(e, d, len(evidence.Chain) > 0)
	return answer(e, d)
}

// answer gives the decision's answer, and no other: only one that goes on ends
// in a pass.
func answer(e *pluginserver.Event, d *authn.Decision) error {
	// Made once for all requests that share the decision.
	switch p := d.FormBy(prepare).(type) {
	case *noAnswer:
		return p.err
	case *preparedAnswer:
		if p.verified {
			e.Tell(tellVerified)
		}
		if d.GoesOn() {
			e.Pass(p.calls)
		} else {
			e.Exit(p.calls)
		}
	}
	return nil // without an answer the event is a fault
}

// Close gives the policy back when Kong does not know the instance any more.
func (in *instance) Close() {
	if in.policy != nil {
		in.plugin.release(in.policy)
	}
}

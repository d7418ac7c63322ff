// Package plugin is the plugin mtls-auth without the door through which Kong
// reaches it: Kong's words (configuration, schema) to a policy, the decision
// about a request and the lines about it for Kong's log, and what runs in the
// background. It knows no PDK.
//
// A door starts an [Instance] of each configuration and, for an event, asks Kong
// for the evidence, has it decided and carries the decision's answer out:
//
//	d := instance.Refused(door)
//	if d == nil {
//		d = instance.Decide(ctx, door, evidence)
//	}
//
// # Failing closed
//
// A refused configuration makes an instance that refuses every request with 500.
// A request passes by a decision that says so and in no other way.
package plugin

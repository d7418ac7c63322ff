// Package engine is the plugin in every mode: it makes a policy of each
// configuration, has requests decided by it, writes the lines about them to Kong's
// log, and runs what runs in the background. It knows no PDK.
//
// Each mode starts an [Instance] of each configuration and, for an event, asks Kong
// for the evidence, has it decided and carries the decision's answer out:
//
//	d := instance.Refused(request)
//	if d == nil {
//		d = instance.Decide(ctx, request, evidence)
//	}
//
// # Failing closed
//
// A refused configuration makes an instance that refuses every request with 500.
// A request passes by a decision that says so and in no other way.
package engine

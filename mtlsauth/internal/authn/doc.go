// Package authn decides whether a client certificate authenticates a request.
//
// [Policy.Authenticate] takes what the client presented, a policy, the CA
// certificates of this moment and an instant, and returns a [Decision] of
// which [Decision.Answer] says what the gateway is to do. The zero Decision is a denial,
// and nothing here knows a gateway's protocol: each mode turns the [Answer] into calls or
// frames of its own. [Cache] caches decisions, [Limiter] bounds how many are made at once.
package authn

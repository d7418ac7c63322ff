// Package authn decides whether a client certificate authenticates a request.
//
// [Policy.Authenticate] takes what the client presented, a policy, the CA
// certificates of this moment and an instant, and returns a [Decision] with
// its whole answer. The zero Decision is a denial, a Decision denies until
// every step has said yes, and nothing here knows a gateway's protocol: a door
// turns the [Answer] into the calls of its own.
package authn

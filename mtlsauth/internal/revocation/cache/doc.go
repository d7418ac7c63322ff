// Package cache keeps what URLs have said last, and asks them again: an OCSP
// response about a certificate, a CRL. It knows neither; who asks brings the
// exchange that fetches and judges a value.
//
// # The life of an entry
//
// An entry has at most one value, and for each way of asking at most one exchange
// under way, which all requests share. By a way of asking it is
//
//	absent   no value, or one whose time is over.
//	         A request starts an exchange and waits for it: → fresh or failing.
//	fresh    a value that is not due: neither older than the request's TTL nor in
//	         the last quarter of its life. Requests get it at once. Time: → stale.
//	stale    a value that is due and not over. A request starts an exchange and
//	         gets the value meanwhile; with Current it waits, unless the value is
//	         renewed in the background. → fresh or failing. Time: → absent.
//	failing  the last exchange failed. A value that is not over is served; without
//	         one requests get the error until the next attempt is due, a second
//	         after the first failure and then every five. Then a request starts an
//	         exchange; with Patient it waits for that, else it gets the last error
//	         once more. → fresh, or failing.
//
// What was asked for since the last renewal is renewed in the background when it is
// due, so that no request waits for what is in use. A value is never replaced by
// an earlier one: exchanges that overlap keep the later (Options.Later).
//
// Failures belong to a way of asking, values to the entry: what was fetched by one
// proxy serves all.
//
// Nothing is invalidated: what a URL said counts until it says something later, or its
// time is over, and who wants it sooner has a shorter TTL. [Cache.Update] is for what a
// request finds out about a value that is there: that the signer of a CRL, who was not
// known when it was fetched, is among the certificates that this client sent.
//
// # Limits
//
// There are three, each shared out by trust anchor so that none takes more than
// half of what the others leave ([Shares]): exchanges that run, exchanges that
// wait to, and what values take in memory. Requests that wait for one exchange
// take one place together. A limit is an [ErrLimit]: neither a value nor the lack
// of one.
package cache

// Package e2e holds tests and benchmarks of the whole: the real program,
// started as Kong starts it, beside the fake Kong or a real one (MTLS_AUTH_KONG).
//
// go test runs them in Lua mode, and a second process beside it in plugin-server mode;
// MTLS_AUTH_MODE chooses one: see TestMain and chosenMode.
package e2e

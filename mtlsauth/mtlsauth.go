// Package mtlsauth is client-certificate authentication for Kong Gateway: the
// plugin mtls-auth as an external plugin server, compatible in configuration
// and answers with the plugin of that name in Kong Enterprise.
//
// # How a request walks through it
//
//	Kong's plugin protocol ─▶ pluginserver ─▶ mtlsauth (Access) ┐
//	a Lua plugin in Kong   ─▶ pluginserver ─▶ luaserver        ├▶ engine ─▶ authn.Policy ─▶ clientcert ▸ certpath ▸ revocation ▸ consumer ─▶ Decision
//	go-pluginserver        ─▶ goplugin                          ┘
//	  ◀─ answer in one write ─ the door that it came by (Answer to PDK calls, or a verdict) ◀───────────────────────────────────────────────────┘
//	kongdata, in the background: -ca-dir ▸ declarative file ▸ Admin API ─▶ the current set of CA certificates (not for luaserver)
//	revocation, in the background: renewals, -crl-dir, -state-dir ─▶ answers about certificates
//
// Authentication is a function: what was presented, a policy, the CA
// certificates of the moment and an instant go in, a Decision comes out, and
// its zero value is a denial. What knows Kong's protocol stays at the rim.
//
// # The rooms
//
//   - mtlsauth: the plugin server's door: evidence and answers as PDK calls.
//   - kong (beside this folder): the Lua plugin that asks the engine in Kong's own
//     process, keeps what it decided, and asks clients for their certificates.
//   - internal/luaserver: what it asks: decisions, as frames of JSON.
//   - goplugin: the door of go-pluginserver, a module of its own.
//   - cli: the program's sub-commands.
//   - internal/engine: configurations to policies, decisions, what runs in the
//     background, in every mode.
//   - internal/config: the configuration in Kong's words: schema and parser.
//   - internal/konglog: lines for Kong's log.
//   - internal/flags: flags and environment variables.
//   - internal/pluginserver: the socket and Kong's plugin protocol; knows no
//     certificates.
//   - internal/authn: Policy, Decision, Reason, Answer; the decision cache.
//   - internal/clientcert: what the client presented.
//   - internal/certpath: certification path validation (RFC 5280 §6).
//   - internal/revocation: whether certificates are revoked: the checker. Below
//     it ocsp and crl judge what was answered (RFC 6960; RFC 5280 §5, §6.3),
//     fetch visits addresses, statedir and crldir are -state-dir and -crl-dir.
//   - internal/signature: which algorithms and keys prove something.
//   - internal/certname: names in certificates (RFC 4514; RFC 5280 §4.2.1.6).
//   - internal/consumer: whose certificate it is: subject names, credentials,
//     consumers and their lookup.
//   - internal/uuid: what Kong takes for an id.
//   - internal/kongdata: Kong's CA Certificates and consumers, from their sources.
//   - internal/handshake: the Lua code by which Kong asks for a certificate.
//   - internal/testing/fakekong: Kong's side of all this, for the demo and the tests;
//     internal/testing/realkong: a Kong that is installed, in its place.
//   - e2e: the whole, through the program, in tests; bench: what it costs, beside
//     servers that do less (go run ./mtlsauth/bench).
//   - internal/testing/pki: certificates in memory, for the demo and the tests.
//   - internal/testing/suites: where third-party test vectors lie, for the tests.
//   - internal/testing/cputime: what code costs, for the tests.
//
// imports_test.go holds who may import whom.
//
// # Failing closed
//
// A request passes by a Decision that says Passed and in no other way. What
// goes wrong in an event (a panic, an unreadable reply, a refused
// configuration) is answered with 500. Time is read once per request.
package mtlsauth

import "mtls-auth/mtlsauth/internal/config"

// Version is the version of the program and of the plugin, x.y.z.
const Version = config.Version

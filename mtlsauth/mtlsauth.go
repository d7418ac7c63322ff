// Package mtlsauth is client-certificate authentication for Kong Gateway: the server of
// the plugin mtls-auth, compatible in configuration and answers with the plugin of that
// name in Kong Enterprise. This page is the architecture; the package itself starts the
// server ([Serve]), answers Kong's query command ([Dump]) and is plugin-server mode.
//
// # How a request is decided
//
//	Lua mode            Kong's Lua ─▶ pluginserver ─▶ luaserver ┐
//	plugin-server mode  go-pdk     ─▶ pluginserver ─▶ mtlsauth  ├▶ engine ─▶ authn.Policy ─▶ certificate ▸ certpath ▸ revocation ▸ consumer
//	go-pluginserver     MessagePack ───────────────▶ goplugin   ┘                │
//	      ◀─ a verdict, or PDK calls in one write ◀─ the Answer of a ◀─ Decision ┘
//
// Authentication is a function: what was presented, a policy, the CA certificates of the
// moment and an instant go in, a Decision comes out, and its zero value denies. What knows
// Kong's protocols stays at the rim; what reads files and URLs runs in the background.
//
// # The rooms
//
// The rim, one for each way in which Kong reaches us:
//
//   - kong (beside this folder): the Lua plugin, which asks the server, caches its
//     decisions in Kong's workers, and asks clients for certificates.
//   - internal/luaserver: the server's side of Lua mode, frames of JSON.
//   - mtlsauth: plugin-server mode, evidence and answers as PDK calls.
//   - goplugin: go-pluginserver mode, a module of its own.
//   - internal/pluginserver: the socket and the frames of Kong's plugin protocol.
//   - internal/handshake: Lua code by which Kong asks for a certificate without the Lua
//     plugin.
//   - internal/certheader: a certificate in a request header, for header-cert-auth: its
//     formats, and who is believed.
//   - internal/metrics: what is counted, for Prometheus.
//   - cli: the program's commands.
//
// The engine:
//
//   - internal/engine: a policy for each configuration, where its parts come from, and
//     what runs in the background.
//   - internal/config: the table of the configuration's fields: schema, parser, defaults.
//   - internal/konglog: the lines for Kong's log.
//   - internal/flags: flags and environment variables.
//
// The decision:
//
//   - internal/authn: Policy, Decision, Reason, Answer; the cache of decisions.
//   - internal/certificate: one reading of a certificate (RFC 5280 §4.1), of its
//     names (RFC 4514), and of what a client presents.
//   - internal/certpath: certification path validation (RFC 5280 §6).
//   - internal/revocation: certificate status in three modes, and its caches. ocsp and crl
//     below it judge responses and CRLs (RFC 6960; RFC 5280 §5, §6.3), by the readers of
//     der. cache keeps what URLs said.
//   - internal/consumer: the consumer of a certificate: names, credentials, lookups.
//   - internal/signature: which algorithms and keys are accepted.
//   - internal/spiffe: SPIFFE IDs and X509-SVIDs.
//
// What explains it:
//
//   - internal/verify: how a certificate would be answered and why, by the engine itself,
//     which tells it through authn.Trace (mtls-auth verify).
//   - internal/doctor: mistakes in how a node is set up (mtls-auth doctor).
//
// Files and the network:
//
//   - internal/kongdata: CA certificates, consumers and credentials, from files and the
//     Admin API.
//   - internal/kongenv: Kong's .kong_env: where Kong listens.
//   - internal/revocation/fetch fetches URLs, at those addresses that address allows;
//     statedir and crldir are -state-dir and -crl-dir.
//
// Leaves: internal/lru, internal/filewatch, internal/uuid.
//
// Tests and measurements: e2e (the whole program, in both modes), bench (on a real Kong),
// internal/testing (a fake Kong that runs the real Lua files, a real one, certificates,
// third-party suites), conformance (the figures of docs/conformance.md).
//
// imports_test.go has the table of what each package may import, and fails on any other
// import.
//
// # Where is decided …
//
//   - which answer a request gets, one without a certificate too: authn.Policy.Authenticate
//     (authenticate.go), and authn.Decision.Answer, which has the client's sentences and the
//     headers for the upstream
//   - which headers of the client are dropped: in Lua mode clear (headers.lua); in
//     plugin-server mode an answer clears those that it does not set (calls.go), and their
//     spellings with "_" go in internal/handshake (access.lua)
//   - which header has the certificate, and whether it counts: presented.lua of
//     header-cert-auth and headers.go collect the lines, certheader.Settings.Read judges.
//     They also hide it from the upstream: hide (presented.lua), Hides (headers.go)
//   - which headers with the certificate the upstream gets: authn (upstream.go)
//   - that a configuration is refused: config.Parse
//   - how Kong is told: luaserver (decide.go), mtlsauth (calls.go), goplugin (answer.go)
//   - how long a decision counts: authn.Decision.Left. What Kong's workers cache has the TTL
//     of luaserver (judge in decide.go), at most MAX_TTL (verdict.lua); is_fresh
//     (decisions.lua), another epoch and Kong's events (changed in worker.lua) end it early
//   - which of several issuers of one name is tried first: candidates in certpath (child.go);
//     how much CPU time a validation may take: budget (search.go)
//   - what status a certificate has: the table in revocation (finding.go); what is kept of
//     OCSP responses and CRLs, and when it is fetched again: revocation/cache (doc.go).
//     A certificate that was revoked once stays so in revokedCertificates (revoked.go)
//   - which files of -crl-dir are reported as unusable: crldir (tell in file.go, warn.go)
//   - what a line in Kong's log says: konglog.Log.Decision; which level it has: levelOf
//   - what kong reload does: process.lua starts the next server, pluginserver (socket.go)
//     takes the socket over, and context in handshake.lua ends earlier TLS sessions
//
// To add a field of the configuration: its entry in internal/config (fields.go), its use
// in the room that it concerns, its test; then go generate ./mtlsauth/internal/config and,
// for testdata/dump*.json, go test ./mtlsauth -update.
//
// # Failing closed
//
// A request passes by a Decision that says Passed or names the anonymous consumer, and in
// no other way. What goes wrong in an event (a panic, an unreadable reply, a refused
// configuration) is answered with 500. Time is read once per request.
package mtlsauth

import "mtls-auth/mtlsauth/internal/config"

// Version is the version of the program and of the plugin, x.y.z.
const Version = config.Version

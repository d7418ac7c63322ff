// Package handshake holds the Lua code of the pre-function plugin that is
// shipped with mtls-auth, for plugin-server mode.
//
// Kong asks clients for a certificate only where it is told to, and an external
// plugin cannot tell it: the plugin protocol has no kong.client.tls. So a
// pre-function does it in the certificate phase, which only global plugins have,
// and hands the chain that the client sent to the plugin in the access phase,
// in [ChainKey] of kong.ctx.shared. Both run under Kong's default sandbox
// (untrusted_lua = sandbox): they use kong.* and plain Lua alone.
package handshake

import _ "embed"

// Certificate is the code for the pre-function's certificate phase.
//
//go:embed certificate.lua
var Certificate string

// Access is the code for the pre-function's access phase.
//
//go:embed access.lua
var Access string

// ChainKey is the key in kong.ctx.shared under which the chain is handed over:
// PEM, leaf first, as the client sent it; nil when there is none, and on a
// resumed TLS session.
const ChainKey = "mtls_auth_client_chain"

// Package handshake holds the Lua code of the pre-function plugin that is
// shipped with mtls-auth, and what it does said in Go for those who cannot run
// Lua.
//
// Kong asks clients for a certificate only where it is told to, and an external
// plugin cannot tell it: the plugin protocol has no kong.client.tls. So a
// pre-function does it in the certificate phase, which only global plugins have,
// and hands the chain that the client sent to the plugin in the access phase,
// in [ChainKey] of kong.ctx.shared. Both run under Kong's default sandbox
// (untrusted_lua = sandbox): they use kong.* and plain Lua alone.
package handshake

import (
	_ "embed"
	"strings"
)

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

// MaxChain is how many bytes of chain are handed over at the most: of a longer
// one the whole certificates within that.
const MaxChain = 64 << 10

// Bounded returns what is handed over of a chain.
func Bounded(chain string) string {
	if len(chain) <= MaxChain {
		return chain
	}
	const end = "-----END CERTIFICATE-----\n"
	chain = chain[:MaxChain]
	if i := strings.LastIndex(chain, end); i >= 0 {
		return chain[:i+len(end)]
	}
	return ""
}

// headers are those that the plugin sets, in lower case.
var headers = map[string]bool{
	"x-consumer-id":           true,
	"x-consumer-custom-id":    true,
	"x-consumer-username":     true,
	"x-credential-identifier": true,
	"x-anonymous-consumer":    true,
	"x-client-cert-dn":        true,
	"x-client-cert-san":       true,
}

// Headers returns the names of the request headers that the plugin sets, in
// lower case.
func Headers() []string {
	out := make([]string, 0, len(headers))
	for name := range headers {
		out = append(out, name)
	}
	return out
}

// LookAlike says whether a request header's name is one of the plugin's with
// "_" for "-" somewhere, in any case: one that the access code drops.
func LookAlike(name string) bool {
	return strings.Contains(name, "_") && headers[strings.ReplaceAll(strings.ToLower(name), "_", "-")]
}

// Same says whether a text is this code: white space at the ends of lines, and
// empty lines at the end, do not count.
func Same(text, code string) bool { return trim(text) == trim(code) }

func trim(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t\r")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

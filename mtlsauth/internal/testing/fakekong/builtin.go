package fakekong

import (
	"fmt"
	"maps"
	"slices"

	"mtls-auth/mtlsauth/internal/handshake"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
	"mtls-auth/mtlsauth/internal/testing/fakekong/schema"
)

// builtin is one of Kong's own plugins, done natively. To add one, put it into
// builtins.
type builtin struct {
	priority int // as in Kong; plugins run from the highest down
	// load checks a configuration and returns what runs in the access phase.
	load func(p *plugin, at string, fields map[string]any) (builtinAccess, error)
}

// builtinAccess runs a plugin's access phase; an answer ends the request.
type builtinAccess func(x *exchange) *rpc.Exit

var builtins = map[string]builtin{
	"pre-function": {1_000_000, loadHandshake},
	"key-auth":     {1250, loadKeyAuth},
	"acl":          {950, loadACL},
}

// builtinConfig checks the fields of one of Kong's own plugins by a schema, and
// returns its configuration with every default. A schema has every field that
// Kong's has; what the stand-in does not emulate is then refused by its name.
func builtinConfig(name, text, at string, fields map[string]any) (map[string]any, error) {
	s, err := schema.Parse(name, []byte(text))
	if err != nil {
		return nil, err
	}
	return fillPlugin(s, at, fields)
}

// texts makes strings of a list that a schema has checked.
func texts(list any) []string {
	entries, _ := list.([]any)
	out := make([]string, 0, len(entries))
	for _, e := range entries {
		s, _ := e.(string)
		out = append(out, s)
	}
	return out
}

// loadHandshake takes a pre-function whose code is the one that is shipped. The
// stand-in cannot run Lua, and to do something else than the code says would be
// worse than to refuse it.
func loadHandshake(p *plugin, at string, fields map[string]any) (builtinAccess, error) {
	if p.route != nil || p.service != nil {
		return nil, problemf(at, "the pre-function must be a global plugin: in the certificate phase Kong runs no others")
	}
	config, _ := fields["config"].(map[string]any)
	want := map[string]string{"certificate": handshake.Certificate, "access": handshake.Access}
	for _, phase := range slices.Sorted(maps.Keys(config)) {
		code, list := config[phase].([]any)
		if list && len(code) == 0 {
			continue // Kong's default
		}
		if want[phase] == "" {
			return nil, problemf(fmt.Sprintf("%s.config.%s", at, phase), "the stand-in cannot run Lua: it knows the certificate and access code that mtls-auth ships, nothing else")
		}
	}
	for phase, text := range want {
		code, _ := config[phase].([]any)
		if len(code) != 1 {
			return nil, problemf(fmt.Sprintf("%s.config.%s", at, phase), "expected one piece of code: the stand-in knows what mtls-auth ships, both phases together")
		}
		if s, ok := code[0].(string); !ok || !handshake.Same(s, text) {
			return nil, problemf(fmt.Sprintf("%s.config.%s", at, phase), "the stand-in cannot run Lua, and this is not the code that mtls-auth ships (%s.lua)", phase)
		}
	}
	return runHandshake, nil
}

// asksForCertificate says whether the handshake's certificate phase is there.
func (c *config) asksForCertificate() bool {
	return slices.ContainsFunc(c.plugins, func(p *plugin) bool { return p.name == "pre-function" && p.enabled })
}

// runHandshake does what access.lua does.
func runHandshake(x *exchange) *rpc.Exit {
	if chain := handshake.Bounded(x.conn.chainPEM(x.r.TLS)); chain != "" {
		x.req.Shared[handshake.ChainKey] = chain
	} else {
		delete(x.req.Shared, handshake.ChainKey)
	}
	for name := range x.req.Header {
		if handshake.LookAlike(name) {
			x.req.Header.Del(name)
			delete(x.req.Header, name)
		}
	}
	return nil
}

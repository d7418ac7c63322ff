package fakekong

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"

	"mtls-auth/mtlsauth/internal/testing/fakekong/errlog"
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
	"pre-function": {1_000_000, loadPreFunction},
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

// loadPreFunction compiles the code of a pre-function.
func loadPreFunction(p *plugin, at string, fields map[string]any) (builtinAccess, error) {
	config, _ := fields["config"].(map[string]any)
	code := map[string][]*lua.FunctionProto{}
	for _, phase := range slices.Sorted(maps.Keys(config)) {
		list, _ := config[phase].([]any)
		for i, text := range list {
			field := fmt.Sprintf("%s.config.%s.%d", at, phase, i+1)
			if phase != "certificate" && phase != "access" {
				return nil, problemf(field, "the phases certificate and access are emulated")
			}
			chunk, err := compile(fmt.Sprint(text), "pre-function")
			if err != nil {
				return nil, problemf(field, "%v", err)
			}
			code[phase] = append(code[phase], chunk)
		}
	}
	if p.route == nil && p.service == nil { // in the certificate phase Kong runs no others
		p.certificate = code["certificate"]
	}
	return func(x *exchange) *rpc.Exit {
		for _, chunk := range code["access"] {
			if err := x.worker().Run(chunk, x.luaRequest()); err != nil {
				x.req.Logf(errlog.Error, "[lua] pre-function: %v", err)
				return thrown(x)
			}
			if x.req.Exit != nil {
				return x.req.Exit
			}
		}
		return nil
	}, nil
}

func compile(text, name string) (*lua.FunctionProto, error) {
	chunk, err := parse.Parse(strings.NewReader(text), name)
	if err != nil {
		return nil, err
	}
	return lua.Compile(chunk, name)
}

package fakekong

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"

	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
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
	"prometheus":   {13, loadPrometheus},
}

// loadPrometheus has no metrics of its own: GET /metrics has those of other plugins.
func loadPrometheus(*plugin, string, map[string]any) (builtinAccess, error) {
	return func(*exchange) *rpc.Exit { return nil }, nil
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

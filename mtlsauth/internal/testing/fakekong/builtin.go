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

// builtinAccess is the access phase of one of Kong's own plugins that is done natively; an
// answer ends the request.
type builtinAccess func(x *exchange) *rpc.Exit

// prometheus has no metrics of its own: GET /metrics has those of other plugins.
func prometheus(*exchange) *rpc.Exit { return nil }

// preFunction compiles the code of a pre-function.
func preFunction(p *plugin, at string, fields map[string]any) (builtinAccess, error) {
	config, _ := fields["config"].(map[string]any)
	code := map[string][]*lua.FunctionProto{}
	for _, phase := range slices.Sorted(maps.Keys(config)) {
		list, _ := config[phase].([]any)
		for i, text := range list {
			field := fmt.Sprintf("%s.config.%s.%d", at, phase, i+1)
			if phase != "certificate" && phase != "access" {
				return nil, fmt.Errorf("in '%s': the phases certificate and access are emulated", field)
			}
			chunk, err := compile(fmt.Sprint(text), "pre-function")
			if err != nil {
				return nil, fmt.Errorf("in '%s': %w", field, err)
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

package fakekong

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"

	"mtls-auth/mtlsauth/internal/testing/fakekong/luakong"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
	"mtls-auth/mtlsauth/internal/testing/fakekong/schema"
)

type plugin struct {
	id, name string
	priority int
	enabled  bool
	route    *route   // nil: every route
	service  *service // nil: every service

	builtin  builtinAccess  // one of Kong's own
	external map[string]any // what StartInstance sends
	loaded   *rpc.Config

	lua         []*luakong.Conf      // in each worker; nil for a plugin without Lua code
	fields      map[string]any       // of its configuration
	certificate []*lua.FunctionProto // pre-function's code for the certificate phase
}

func (l *loader) addPlugin(at string, fields map[string]any, r *route, s *service) error {
	e := newEntity(at, fields, "id", "name", "instance_name", "config", "enabled", "protocols", "consumer")
	p := &plugin{name: e.str("name"), enabled: of(e, "enabled", true), route: r, service: s}
	routeID, serviceID := "", ""
	if p.route != nil {
		routeID = p.route.id
	}
	if p.service != nil {
		serviceID = p.service.id
	}
	p.id = e.id("plugins", p.name, routeID, serviceID)
	var err error
	switch {
	case e.err != nil:
		return e.err
	case p.name == "pre-function":
		p.priority = 1_000_000
		p.builtin, err = preFunction(p, at, fields)
	case p.name == "prometheus":
		p.priority, p.builtin = 13, prometheus
	case l.workers.plugins[p.name] != nil:
		err = l.configureLua(p, at, e, routeID, serviceID)
	case l.info != nil && p.name == l.info.Name:
		p.priority = l.info.Priority
		err = l.configure(p, at, e, routeID, serviceID)
	default:
		err = fmt.Errorf("in '%s.name': plugin '%s' not enabled; add it to the 'plugins' configuration property", at, p.name)
	}
	if err != nil {
		return err
	}
	l.plugins = append(l.plugins, p)
	return nil
}

// configure checks the configuration of the plugin server's plugin, and makes
// what StartInstance sends.
func (l *loader) configure(p *plugin, at string, e *entity, routeID, serviceID string) error {
	conf, err := fillPlugin(l.schema, at, e.fields)
	if err != nil {
		return err
	}
	p.external = l.withIDs(p, schema.Instance(conf), e, routeID, serviceID)
	return e.err
}

// configureLua checks the configuration of a plugin by its schema.lua, and makes what
// its handler gets.
func (l *loader) configureLua(p *plugin, at string, e *entity, routeID, serviceID string) error {
	own := l.workers.plugins[p.name]
	conf, err := fillPlugin(own.schema, at, e.fields)
	if err != nil {
		return err
	}
	p.priority = own.Priority
	p.fields = l.withIDs(p, schema.Instance(conf), e, routeID, serviceID)
	for _, w := range l.workers.list {
		p.lua = append(p.lua, w.NewConf(p.fields))
	}
	return e.err
}

// withIDs adds what Kong adds to a configuration.
func (l *loader) withIDs(p *plugin, out map[string]any, e *entity, routeID, serviceID string) map[string]any {
	out["__key__"] = fmt.Sprintf("plugins:%s:%s:%s:::%s", p.name, routeID, serviceID, workspace)
	out["__plugin_id"] = p.id
	out["__ws_id"] = workspace
	for field, value := range map[string]string{"route_id": routeID, "service_id": serviceID, "plugin_instance_name": e.str("instance_name")} {
		if value != "" {
			out[field] = value
		}
	}
	return out
}

// fillPlugin checks a plugin entity by the plugin's schema and returns its
// configuration with the defaults filled in.
func fillPlugin(s schema.Schema, at string, fields map[string]any) (map[string]any, error) {
	given := map[string]any{}
	for _, field := range []string{"config", "protocols", "consumer"} {
		if v, ok := fields[field]; ok {
			given[field] = v
		}
	}
	filled, err := s.Fill(given)
	if err != nil {
		return nil, fmt.Errorf("in '%s': %w", at, err)
	}
	conf, _ := filled["config"].(map[string]any)
	return conf, nil
}

// workspace is the id of Kong's default workspace, made up.
const workspace = "0dc6f45b-8f8d-40d2-a504-473544ee190b"

package fakekong

import (
	"fmt"

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
}

func (l *loader) addPlugin(at string, fields map[string]any, r *route, s *service) error {
	e := newEntity(at, fields, "id", "name", "instance_name", "config", "enabled", "protocols", "route", "service", "consumer")
	p := &plugin{name: e.str("name"), enabled: e.boolean("enabled", true), route: r, service: s}
	if name := e.reference("route"); name != "" {
		for _, r := range l.routes {
			if r.id == name || r.name != "" && r.name == name {
				p.route = r
			}
		}
		if p.route == nil {
			e.fail("route", "no route %q", name)
		}
	}
	if name := e.reference("service"); name != "" {
		if p.service = l.service(name); p.service == nil {
			e.fail("service", "no service %q", name)
		}
	}
	if p.name == "" {
		e.fail("name", "required field missing")
	}
	if e.err != nil {
		return e.err
	}
	routeID, serviceID := "", ""
	if p.route != nil {
		routeID = p.route.id
	}
	if p.service != nil {
		serviceID = p.service.id
	}
	p.id = e.id("plugins", p.name, routeID, serviceID)
	for _, other := range l.plugins {
		if other.name == p.name && other.route == p.route && other.service == p.service {
			e.fail("name", "uniqueness violation: a second %s for the same route and service", p.name)
		}
	}
	var err error
	own, builtin := builtins[p.name]
	switch {
	case e.err != nil:
		return e.err
	case builtin:
		p.priority = own.priority
		p.builtin, err = own.load(p, at, fields)
	case l.info != nil && p.name == l.info.Name:
		p.priority = l.info.Priority
		err = l.configure(p, at, e, routeID, serviceID)
	default:
		err = problemf(at+".name", "plugin '%s' not enabled; add it to the 'plugins' configuration property", p.name)
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
	out := schema.Instance(conf)
	out["__key__"] = fmt.Sprintf("plugins:%s:%s:%s:::%s", p.name, routeID, serviceID, workspace)
	out["__plugin_id"] = p.id
	out["__ws_id"] = workspace
	for field, value := range map[string]string{"route_id": routeID, "service_id": serviceID, "plugin_instance_name": e.str("instance_name")} {
		if value != "" {
			out[field] = value
		}
	}
	p.external = out
	return e.err
}

// fillPlugin checks a plugin entity by the plugin's schema and returns its
// configuration with the defaults filled in.
func fillPlugin(s *schema.Schema, at string, fields map[string]any) (map[string]any, error) {
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

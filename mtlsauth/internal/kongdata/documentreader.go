package kongdata

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"go.yaml.in/yaml/v3"
)

// documentReader reads services, routes and plugins.
type documentReader struct {
	document *Document
	shared   *yaml.Node // _plugin_configs of decK
}

func (r documentReader) service(f fields) error {
	name, err := called(f)
	if err != nil {
		return err
	}
	_, err1 := f.each("plugins", func(_ string, p fields) error { return r.plugin(p, "", name) })
	_, err2 := f.each("routes", func(_ string, route fields) error { return r.route(route, name) })
	return errors.Join(err1, err2)
}

func (r documentReader) route(f fields, service string) error {
	route := Route{Service: service}
	var err1, err2, err3, err4, err5 error
	route.Name, err1 = f.text("name")
	route.ID, err2 = f.text("id")
	if service == "" {
		route.Service, err3 = reference(f["service"])
	}
	route.Hosts, err4 = f.texts("hosts")
	route.SNIs, err5 = f.texts("snis")
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return err
	}
	r.document.Routes = append(r.document.Routes, route)
	name := route.Name
	if name == "" {
		name = route.ID
	}
	_, err := f.each("plugins", func(_ string, p fields) error { return r.plugin(p, name, "") })
	return err
}

// plugin reads a plugin that lies below a route or a service, or names it itself.
func (r documentReader) plugin(f fields, route, service string) error {
	p := Plugin{Route: route, Service: service, Enabled: true}
	var errs []error
	read := func(to *string, key string) {
		var err error
		*to, err = f.text(key)
		errs = append(errs, err)
	}
	read(&p.Name, "name")
	read(&p.InstanceName, "instance_name")
	read(&p.ID, "id")
	if named, err := reference(f["route"]); named != "" || err != nil {
		p.Route, errs = named, append(errs, err)
	}
	if named, err := reference(f["service"]); named != "" || err != nil {
		p.Service, errs = named, append(errs, err)
	}
	if n := resolved(f["enabled"]); n.Kind != 0 {
		errs = append(errs, n.Decode(&p.Enabled))
	}
	var err error
	p.Config, err = r.config(f)
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	r.document.Plugins = append(r.document.Plugins, p)
	return nil
}

// config returns a plugin's configuration as JSON, on top of the one of decK's that it
// shares.
func (r documentReader) config(f fields) ([]byte, error) {
	all := map[string]any{}
	shared, err := f.text("_config")
	if err != nil {
		return nil, err
	}
	if shared != "" {
		configs, err := mapping(r.shared)
		if err != nil {
			return nil, fmt.Errorf("_plugin_configs: %w", err)
		}
		if configs[shared] == nil {
			return nil, fmt.Errorf("_config: %q is not among _plugin_configs", shared)
		}
		if err := resolved(configs[shared]).Decode(&all); err != nil {
			return nil, quoteless(err)
		}
	}
	if n := resolved(f["config"]); kindOf(n) != absent {
		own := map[string]any{}
		if err := n.Decode(&own); err != nil {
			return nil, quoteless(err)
		}
		maps.Copy(all, own)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(all); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

// called returns an entity's name, else its id.
func called(f fields) (string, error) {
	name, err := f.text("name")
	if name != "" || err != nil {
		return name, err
	}
	return f.text("id")
}

// reference returns the name or id of another entity, a text or an object with either.
func reference(n *yaml.Node) (string, error) {
	switch kindOf(n) {
	case absent:
		return "", nil
	case aMapping:
		f, err := mapping(n)
		if err != nil {
			return "", err
		}
		return called(f)
	}
	return textOf(n)
}

package kongdata

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/filewatch"
)

// Document is a file in Kong's declarative format or decK's, with all of it that decides
// about a request: what a Kong that loads it has in its database.
type Document struct {
	// CACertificates are those with an id, which a configuration can name.
	CACertificates []Entity
	Plugins        []Plugin // in the order of the file
	Routes         []Route
	// More reports further YAML documents, which do not count.
	More bool

	entities    *entities
	credentials map[string]*consumer.Credentials // by their entity
}

// Plugin is a plugin of a document.
type Plugin struct {
	Name         string
	InstanceName string
	ID           string
	// Route and Service are what it is set up for, by name or id; "" for none.
	Route, Service string
	Enabled        bool
	Config         []byte // JSON
}

// Where says in words what the plugin is set up for.
func (p Plugin) Where() string {
	switch {
	case p.Route != "":
		return "route " + p.Route
	case p.Service != "":
		return "service " + p.Service
	}
	return "all requests"
}

// Route is a route of a document.
type Route struct {
	Name, ID    string
	Service     string // name or id
	Hosts, SNIs []string
}

// Is reports whether the route is called so.
func (r Route) Is(name string) bool { return name != "" && (r.Name == name || r.ID == name) }

// OpenDocument reads a document from a file, see [ReadDocument].
func OpenDocument(path string) (*Document, error) {
	text, _, err := filewatch.ReadFile(path, maxDeclarative)
	if err != nil {
		return nil, err
	}
	d, err := ReadDocument(text, path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// ReadDocument reads a document. It refuses what Kong would refuse of CA certificates,
// consumers and credentials, as [Open] does.
func ReadDocument(data []byte, name string) (*Document, error) {
	root, more, err := readDocument(data, name)
	if err != nil {
		return nil, err
	}
	e, err := entitiesOf(root, more)
	if err != nil {
		return nil, err
	}
	d := &Document{CACertificates: e.caTexts, entities: e, More: more, credentials: make(map[string]*consumer.Credentials)}
	for _, entity := range credentialEntities {
		if d.credentials[entity], err = consumer.NewCredentials(e.credentials[entity]); err != nil {
			return nil, err
		}
	}
	r := documentReader{d, root["_plugin_configs"]}
	_, err1 := root.each("plugins", func(_ string, f fields) error { return r.plugin(f, "", "") })
	_, err2 := root.each("services", func(_ string, f fields) error { return r.service(f) })
	_, err3 := root.each("routes", func(_ string, f fields) error { return r.route(f, "") })
	return d, errors.Join(err1, err2, err3)
}

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

// Of returns the enabled plugins of these names.
func (d *Document) Of(names ...string) []Plugin {
	return slices.DeleteFunc(slices.Clone(d.Plugins), func(p Plugin) bool { return !p.Enabled || !slices.Contains(names, p.Name) })
}

// ForRoute returns the plugin among these that runs for a route, as Kong chooses it: its
// own, else its service's, else the one for all requests.
func (d *Document) ForRoute(name string, among []Plugin) (Plugin, error) {
	at := slices.IndexFunc(d.Routes, func(r Route) bool { return r.Is(name) })
	if at < 0 {
		var known []string
		for _, r := range d.Routes {
			known = append(known, r.Name)
		}
		return Plugin{}, fmt.Errorf("there is no route %q; there are: %s", name, strings.Join(known, ", "))
	}
	route := d.Routes[at]
	for _, fits := range []func(Plugin) bool{
		func(p Plugin) bool { return p.Route != "" && route.Is(p.Route) },
		func(p Plugin) bool { return p.Route == "" && p.Service != "" && p.Service == route.Service },
		func(p Plugin) bool { return p.Route == "" && p.Service == "" },
	} {
		if at := slices.IndexFunc(among, fits); at >= 0 {
			return among[at], nil
		}
	}
	return Plugin{}, fmt.Errorf("no such plugin runs for the route %q", name)
}

// Directory returns the consumers, with the credentials that count for the plugin of
// this name.
func (d *Document) Directory(plugin string) consumer.Prefetcher {
	return documentDirectory{d, d.credentials[credentialEntity(plugin)]}
}

type documentDirectory struct {
	document    *Document
	credentials *consumer.Credentials
}

// Prefetch implements consumer.Prefetcher: the credentials are all that the file has.
func (d documentDirectory) Prefetch(context.Context, consumer.Questions) (*consumer.Credentials, error) {
	return d.credentials, nil
}

// Find implements consumer.Directory.
func (d documentDirectory) Find(_ context.Context, queries []consumer.Query) []consumer.Result {
	return findEach(queries, d.document.entities.find)
}

// findEach asks one source, which is all that there is, for consumers.
func findEach(queries []consumer.Query, find func(consumer.Query) (*consumer.Consumer, error)) []consumer.Result {
	results := make([]consumer.Result, len(queries))
	for i, q := range queries {
		if c, err := find(q); !errors.Is(err, ErrNotFound) {
			results[i] = consumer.Result{Consumer: c, Err: err}
		}
	}
	return results
}

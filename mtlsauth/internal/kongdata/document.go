package kongdata

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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

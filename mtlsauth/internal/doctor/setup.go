package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/kongenv"
	"mtls-auth/mtlsauth/internal/uuid"
)

// setup is what the node is configured with: as the Admin API tells, else as its
// declarative file does.
type setup struct {
	from    string
	plugins []kongdata.Plugin // of all names
	routes  []kongdata.Route
	// ca returns a CA certificate; errNoCA where there is none with this id.
	ca func(ctx context.Context, id string) (kongdata.Entity, error)
	// directory has the consumers, and the credentials of a plugin.
	directory func(plugin string) consumer.Prefetcher
}

var errNoCA = errors.New("there is no CA certificate with this id: clients of that CA get 401 (ca_not_loaded), and all clients get 500 if no other of ca_certificates is there")

// readSetup reads what the node is configured with; neither a setup nor an error where
// nothing tells.
func (n *node) readSetup(ctx context.Context) {
	switch {
	case n.admin != nil:
		n.setup, n.setupErr = askSetup(ctx, n.admin)
	case n.env == nil || n.env.DataPlane || n.settings["database"] != "off":
	case n.env.DeclarativeConfig != "":
		path := kongenv.Below(n.Admin.Prefix, n.env.DeclarativeConfig)
		var document *kongdata.Document
		if document, n.setupErr = kongdata.OpenDocument(path); n.setupErr == nil {
			n.setup = setupOf(document, path)
		}
	case n.env.DeclarativeString != "":
		const from = "declarative_config_string"
		var document *kongdata.Document
		if document, n.setupErr = kongdata.ReadDocument([]byte(n.env.DeclarativeString), from); n.setupErr == nil {
			n.setup = setupOf(document, from)
		}
	}
}

// setupOf is a declarative file, which Kong has loaded when it started.
func setupOf(document *kongdata.Document, from string) *setup {
	find := func(_ context.Context, id string) (kongdata.Entity, error) {
		at := slices.IndexFunc(document.CACertificates, func(e kongdata.Entity) bool { return e.ID == id })
		if at < 0 {
			return kongdata.Entity{}, errNoCA
		}
		return document.CACertificates[at], nil
	}
	return &setup{from: from, plugins: document.Plugins, routes: document.Routes, ca: find, directory: document.Directory}
}

// entity is a plugin, a route or a service of the Admin API.
type entity struct {
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	InstanceName string          `json:"instance_name"`
	Enabled      bool            `json:"enabled"`
	Config       json.RawMessage `json:"config"`
	Hosts        []string        `json:"hosts"`
	SNIs         []string        `json:"snis"`
	Route        *reference      `json:"route"`
	Service      *reference      `json:"service"`
}

type reference struct {
	ID string `json:"id"`
}

// askSetup asks the Admin API. Routes and services are called by their name where they
// have one.
func askSetup(ctx context.Context, admin *kongdata.Admin) (*setup, error) {
	lists := map[string][]entity{}
	called := map[string]string{}
	for _, path := range []string{"/services", "/routes", "/plugins"} {
		err := admin.List(ctx, path, func(text json.RawMessage) error {
			var e entity
			if err := json.Unmarshal(text, &e); err != nil {
				return fmt.Errorf("GET %s: %w", path, err)
			}
			lists[path] = append(lists[path], e)
			if called[e.ID] = e.Name; e.Name == "" {
				called[e.ID] = e.ID
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	name := func(r *reference) string {
		if r == nil {
			return ""
		}
		return called[r.ID]
	}
	s := &setup{from: "the Admin API", directory: admin.Directory}
	for _, e := range lists["/routes"] {
		s.routes = append(s.routes, kongdata.Route{Name: e.Name, ID: e.ID, Service: name(e.Service), Hosts: e.Hosts, SNIs: e.SNIs})
	}
	for _, e := range lists["/plugins"] {
		s.plugins = append(s.plugins, kongdata.Plugin{
			Name: e.Name, InstanceName: e.InstanceName, ID: e.ID, Route: name(e.Route), Service: name(e.Service), Enabled: e.Enabled, Config: e.Config,
		})
	}
	s.ca = func(ctx context.Context, id string) (kongdata.Entity, error) {
		status, _, body, err := admin.Get(ctx, "/ca_certificates/"+id)
		var e struct {
			Cert string `json:"cert"`
		}
		switch {
		case err != nil:
		case status == 404:
			err = errNoCA
		case status != 200:
			err = fmt.Errorf("GET /ca_certificates/%s: status %d", id, status)
		default:
			err = json.Unmarshal(body, &e)
		}
		return kongdata.Entity{ID: id, Cert: e.Cert}, err
	}
	return s, nil
}

// lacks reports that no consumer has this id or username. An error tells nothing.
func (s *setup) lacks(ctx context.Context, plugin, name string) bool {
	queries := []consumer.Query{{By: consumer.ByUsername, Value: name}}
	if id, ok := uuid.Parse(name); ok {
		queries = append(queries, consumer.Query{By: consumer.ByID, Value: id})
	}
	for _, r := range s.directory(plugin).Find(ctx, queries) {
		if r.Consumer != nil || r.Err != nil {
			return false
		}
	}
	return true
}

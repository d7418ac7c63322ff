package fakekong

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

	"mtls-auth/mtlsauth/internal/testing/fakekong/luakong"
	"mtls-auth/mtlsauth/internal/testing/fakekong/process"
	"mtls-auth/mtlsauth/internal/testing/fakekong/schema"
)

// config is a declarative configuration that was accepted.
type config struct {
	text      []byte
	services  []*service
	routes    []*route
	plugins   []*plugin
	consumers []map[string]any
	cas       []map[string]any
	// pluginRows are those of plugins' entities, such as mtls_auth_credentials.
	pluginRows map[string][]map[string]any
}

// problem is what is wrong with a configuration, with where.
type problem struct {
	at   string
	text string
}

func (p *problem) Error() string { return fmt.Sprintf("in '%s': %s", p.at, p.text) }

func problemf(at, format string, args ...any) error {
	return &problem{at, fmt.Sprintf(format, args...)}
}

// decodeConfig reads YAML or JSON (which is YAML) into what encoding/json would
// make of it.
func decodeConfig(text []byte) (map[string]any, error) {
	var doc any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("failed parsing declarative configuration: %w", err)
	}
	if doc == nil {
		doc = map[string]any{"_format_version": "3.0"} // Kong starts empty without a file
	}
	plain, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("failed parsing declarative configuration: %w", err)
	}
	var out map[string]any
	if err := json.Unmarshal(plain, &out); err != nil {
		return nil, errors.New("failed parsing declarative configuration: expected an object")
	}
	return out, nil
}

// loader turns a document into a config.
type loader struct {
	*config
	schema *schema.Schema
	info   *process.Info

	workers *workers
}

func (l *loader) load(doc map[string]any) error {
	version := doc["_format_version"]
	if s, ok := version.(string); !ok || !slices.Contains([]string{"1.1", "2.1", "3.0"}, s) {
		return problemf("_format_version", "expected one of: 1.1, 2.1, 3.0")
	}
	for _, key := range slices.Sorted(maps.Keys(doc)) {
		switch key {
		case "_format_version", "_transform", "_comment", "_ignore", "_info", "_workspace":
		case "services", "routes", "plugins", "consumers", "ca_certificates":
			if _, ok := doc[key].([]any); !ok && doc[key] != nil {
				return problemf(key, "expected an array")
			}
		default:
			if !slices.ContainsFunc(l.workers.entities(), func(e luakong.Entity) bool { return e.Name == key }) {
				return problemf(key, "unknown field")
			}
		}
	}
	// In this order each finds what it refers to.
	type kind struct {
		name string
		add  func(at string, e map[string]any) error
	}
	kinds := []kind{
		{"consumers", l.addConsumer}, {"ca_certificates", l.addCA},
		{"services", l.addService}, {"routes", func(at string, e map[string]any) error { return l.addRoute(at, e, nil) }},
		{"plugins", func(at string, e map[string]any) error { return l.addPlugin(at, e, nil, nil) }},
	}
	for _, entity := range l.workers.entities() {
		kinds = append(kinds, kind{entity.Name, func(at string, e map[string]any) error { return l.addRow(entity, at, e, "") }})
	}
	for _, kind := range kinds {
		if err := each(kind.name, doc[kind.name], kind.add); err != nil {
			return err
		}
	}
	slices.SortStableFunc(l.plugins, func(a, b *plugin) int { return b.priority - a.priority })
	return nil
}

// each calls add for every entry of a list of entities.
func each(name string, list any, add func(at string, e map[string]any) error) error {
	entries, ok := list.([]any)
	if !ok && list != nil {
		return problemf(name, "expected an array")
	}
	for i, entry := range entries {
		at := fmt.Sprintf("%s.%d", name, i+1)
		e, ok := entry.(map[string]any)
		if !ok {
			return problemf(at, "expected a record")
		}
		if err := add(at, e); err != nil {
			return err
		}
	}
	return nil
}

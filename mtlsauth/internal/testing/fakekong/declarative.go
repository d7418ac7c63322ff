package fakekong

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

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

// decodeConfig reads YAML or JSON (which is YAML) into what encoding/json would make of it.
func decodeConfig(text []byte) (map[string]any, error) {
	var doc map[string]any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("failed parsing declarative configuration: %w", err)
	}
	plain, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("failed parsing declarative configuration: %w", err)
	}
	return doc, json.Unmarshal(plain, &doc)
}

// loader turns a document into a config.
type loader struct {
	*config
	schema schema.Schema
	info   *process.Info

	workers *workers
}

func (l *loader) load(doc map[string]any) error {
	// In this order each finds what it refers to.
	type kind struct {
		name string
		add  func(at string, e map[string]any) error
	}
	kinds := []kind{
		{"consumers", l.addConsumer}, {"ca_certificates", l.addCA}, {"services", l.addService},
		{"plugins", func(at string, e map[string]any) error { return l.addPlugin(at, e, nil, nil) }},
	}
	for _, entity := range l.workers.entities() {
		kinds = append(kinds, kind{entity.Name, func(at string, e map[string]any) error { return l.addRow(entity, at, e, "") }})
	}
	for _, key := range slices.Sorted(maps.Keys(doc)) {
		if key[0] != '_' && !slices.ContainsFunc(kinds, func(k kind) bool { return k.name == key }) {
			return fmt.Errorf("in '%s': unknown field", key)
		}
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
		return fmt.Errorf("in '%s': expected an array", name)
	}
	for i, entry := range entries {
		at := fmt.Sprintf("%s.%d", name, i+1)
		e, ok := entry.(map[string]any)
		if !ok {
			return fmt.Errorf("in '%s': expected a record", at)
		}
		if err := add(at, e); err != nil {
			return err
		}
	}
	return nil
}

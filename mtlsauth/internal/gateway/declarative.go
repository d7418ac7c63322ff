package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"mtls-auth/mtlsauth/internal/gateway/process"
	"mtls-auth/mtlsauth/internal/gateway/schema"
)

// config is a declarative configuration that was accepted.
type config struct {
	text      []byte
	services  []*service
	routes    []*route
	plugins   []*plugin
	consumers []map[string]any
	cas       []map[string]any
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

// load reads a configuration, checks it as Kong does and gives the plugin
// server's configurations to the workers.
func (st *state) load(text []byte, info *process.Info) error {
	c := &config{text: text}
	doc, err := decodeConfig(text)
	if err != nil {
		return err
	}
	l := &loader{config: c, schema: st.schema, info: info}
	if err := l.load(doc); err != nil {
		return err
	}
	for _, p := range c.plugins {
		if p.external == nil {
			continue
		}
		if p.loaded, err = st.client.Load(p.external); err != nil {
			return err
		}
	}
	st.config = c
	return nil
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
			return problemf(key, "unknown field")
		}
	}
	// In this order each finds what it refers to.
	for _, kind := range []struct {
		name string
		add  func(at string, e map[string]any) error
	}{
		{"consumers", l.addConsumer}, {"ca_certificates", l.addCA},
		{"services", l.addService}, {"routes", func(at string, e map[string]any) error { return l.addRoute(at, e, nil) }},
		{"plugins", func(at string, e map[string]any) error { return l.addPlugin(at, e, nil, nil) }},
	} {
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

// entity reads the fields of one entity and refuses those it does not know.
type entity struct {
	at     string
	fields map[string]any
	known  []string
	err    error
}

func newEntity(at string, fields map[string]any, known ...string) *entity {
	e := &entity{at: at, fields: fields, known: append(known, "tags", "created_at", "updated_at")}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(e.known, name) {
			e.fail(name, "unknown field")
		}
	}
	return e
}

func (e *entity) fail(field, format string, args ...any) {
	if e.err == nil {
		e.err = problemf(e.at+"."+field, format, args...)
	}
}

func (e *entity) str(field string) string {
	switch v := e.fields[field].(type) {
	case nil:
	case string:
		if v != "" {
			return v
		}
		e.fail(field, "length must be at least 1")
	default:
		e.fail(field, "expected a string")
	}
	return ""
}

func (e *entity) strs(field string, oneOf ...string) []string {
	list, ok := e.fields[field].([]any)
	if !ok && e.fields[field] != nil {
		e.fail(field, "expected an array")
	}
	var out []string
	for _, v := range list {
		s, ok := v.(string)
		switch {
		case !ok:
			e.fail(field, "expected a string")
		case len(oneOf) > 0 && !slices.Contains(oneOf, s):
			e.fail(field, "expected one of: %s", strings.Join(oneOf, ", "))
		}
		out = append(out, s)
	}
	return out
}

func (e *entity) boolean(field string, otherwise bool) bool {
	switch v := e.fields[field].(type) {
	case nil:
	case bool:
		return v
	default:
		e.fail(field, "expected a boolean")
	}
	return otherwise
}

func (e *entity) integer(field string, otherwise int) int {
	switch v := e.fields[field].(type) {
	case nil:
	case float64:
		if v == float64(int(v)) {
			return int(v)
		}
		e.fail(field, "expected an integer")
	default:
		e.fail(field, "expected an integer")
	}
	return otherwise
}

// id returns the entity's id, or one made of its name, the same every time, as
// Kong's declarative configuration has it.
func (e *entity) id(kind string, key ...string) string {
	id := e.str("id")
	if id != "" && !isUUID(id) {
		e.fail("id", "expected a valid UUID")
	}
	if id == "" {
		id = nameUUID(append([]string{kind}, key...)...)
	}
	return strings.ToLower(id)
}

// reference reads a foreign key: a name or id, or an object with one of them.
func (e *entity) reference(field string) string {
	switch v := e.fields[field].(type) {
	case nil:
		return ""
	case string:
		return v
	case map[string]any:
		for _, key := range []string{"id", "name", "username"} {
			if s, ok := v[key].(string); ok && len(v) == 1 {
				return s
			}
		}
	}
	e.fail(field, "expected a reference by id or name")
	return ""
}

// Package schema checks plugin schemas, and configurations against them, by
// the rules and in the words of Kong 3.9 (kong/db/schema): so that a schema
// which would stop Kong, or a configuration that the Admin API would refuse, is
// found without a Kong.
//
// A schema is what a plugin server's -dump holds under "Schema": JSON, a record
// with the fields protocols, consumer, config. Values are those of
// encoding/json: nil for null, float64 for numbers.
package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Violation is one thing that is wrong, and where.
type Violation struct {
	Path string // config.ca_certificates; "@entity" for a check over several fields
	Text string // Kong's words
}

func (v Violation) String() string {
	if v.Path == "" {
		return v.Text
	}
	return v.Path + ": " + v.Text
}

// Violations is an error made of all that is wrong.
type Violations []Violation

func (v Violations) Error() string {
	texts := make([]string, len(v))
	for i, one := range v {
		texts[i] = one.String()
	}
	return strings.Join(texts, "\n")
}

// field is one field's definition: the attributes as they came.
type field struct {
	name  string
	attrs map[string]any
}

// Schema is a plugin's schema that Kong would take.
type Schema struct {
	plugin string
	fields []field
	checks []any
}

// Parse reads and checks a plugin's schema. The error of a schema that Kong
// would refuse is of type Violations.
func Parse(plugin string, text []byte) (*Schema, error) {
	var doc any
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("decoding schema of %s: %w", plugin, err)
	}
	if found := Check(doc); len(found) > 0 {
		return nil, found
	}
	top := doc.(map[string]any)
	checks, _ := top["entity_checks"].([]any)
	return &Schema{plugin: plugin, fields: fieldsOf(top), checks: checks}, nil
}

// Plugin returns the plugin's name.
func (s *Schema) Plugin() string { return s.plugin }

func fieldsOf(record map[string]any) []field {
	list, _ := record["fields"].([]any)
	out := make([]field, 0, len(list))
	for _, entry := range list {
		m, _ := entry.(map[string]any)
		for name, attrs := range m {
			a, _ := attrs.(map[string]any)
			out = append(out, field{name, a})
		}
	}
	return out
}

func find(fields []field, name string) *field {
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return nil
	}
	return &fields[i]
}

func (f *field) kind() string { s, _ := f.attrs["type"].(string); return s }

func (f *field) flag(name string) bool { b, _ := f.attrs[name].(bool); return b }

func (f *field) has(name string) (any, bool) { v, ok := f.attrs[name]; return v, ok }

func (f *field) sub(name string) *field {
	a, _ := f.attrs[name].(map[string]any)
	return &field{name, a}
}

// errors collects violations by path; what is said last of a path counts, as in
// Kong's table of errors.
type errors struct {
	byPath map[string]string
	entity []string
}

func (e *errors) set(path, text string) {
	if e.byPath == nil {
		e.byPath = map[string]string{}
	}
	e.byPath[path] = text
}

func (e *errors) list() Violations {
	var out Violations
	for path, text := range e.byPath {
		out = append(out, Violation{path, text})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	for _, text := range e.entity {
		out = append(out, Violation{"@entity", text})
	}
	return out
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

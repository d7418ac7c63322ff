// Package schema fills in the defaults of a plugin's configuration and refuses
// unknown fields, as Kong does before a plugin sees it. Kong's other rules, for
// configurations and for schemas, are not here: a real Kong checks those.
//
// Values are those of encoding/json: nil for null, float64 for numbers.
package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Schema is a plugin's schema, as a plugin server's -dump or schema.lua has it.
type Schema struct{ fields []field }

type field struct {
	name     string
	kind     string // record, array, set, map, …
	required bool
	value    any     // the default; nil for none
	fields   []field // of a record
	elements *field  // of an array or set
}

// Parse reads a schema.
func Parse(plugin string, text []byte) (*Schema, error) {
	var top struct{ Fields []map[string]json.RawMessage }
	if err := json.Unmarshal(text, &top); err != nil {
		return nil, fmt.Errorf("schema of plugin %s: %w", plugin, err)
	}
	fields, err := parseFields(top.Fields)
	if err != nil {
		return nil, fmt.Errorf("schema of plugin %s: %w", plugin, err)
	}
	return &Schema{fields}, nil
}

func parseFields(list []map[string]json.RawMessage) ([]field, error) {
	var fields []field
	for _, one := range list {
		for name, text := range one {
			f, err := parseField(name, text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			fields = append(fields, f)
		}
	}
	return fields, nil
}

func parseField(name string, text json.RawMessage) (field, error) {
	var attributes struct {
		Type     string
		Required bool
		Default  any
		Fields   []map[string]json.RawMessage
		Elements json.RawMessage
	}
	if err := json.Unmarshal(text, &attributes); err != nil {
		return field{}, err
	}
	f := field{name: name, kind: attributes.Type, required: attributes.Required, value: attributes.Default}
	var err error
	if f.fields, err = parseFields(attributes.Fields); err != nil {
		return f, err
	}
	if attributes.Elements != nil {
		elements, err := parseField("elements", attributes.Elements)
		f.elements = &elements
		return f, err
	}
	return f, nil
}

// Fill returns the fields that the schema has of a plugin entity (config, protocols,
// consumer) with every default, also nested, and null for what is unset.
func (s *Schema) Fill(entity map[string]any) (map[string]any, error) {
	return fill("", s.fields, entity)
}

func fill(path string, fields []field, given map[string]any) (map[string]any, error) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.ContainsFunc(fields, func(f field) bool { return f.name == name }) {
			return nil, fmt.Errorf("%s%s: unknown field", path, name)
		}
	}
	out := map[string]any{}
	for _, f := range fields {
		value, ok := given[f.name]
		if !ok {
			value = f.value
			if value == nil && f.kind == "record" && f.required {
				value = map[string]any{}
			}
		}
		var err error
		if out[f.name], err = f.fill(path+f.name, value); err != nil {
			return nil, err
		}
		if out[f.name] == nil && f.required {
			return nil, fmt.Errorf("%s%s: required field missing", path, f.name)
		}
	}
	return out, nil
}

func (f *field) fill(path string, value any) (any, error) {
	switch v := value.(type) {
	case map[string]any:
		if f.kind == "record" {
			return fill(path+".", f.fields, v)
		}
	case []any:
		if f.elements == nil {
			break
		}
		out := make([]any, len(v))
		for i, one := range v {
			var err error
			if out[i], err = f.elements.fill(fmt.Sprintf("%s.%d", path, i+1), one); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return value, nil
}

// Instance returns a filled configuration as a plugin gets it: without nulls, at any
// depth.
func Instance(config map[string]any) map[string]any {
	return withoutNulls(config).(map[string]any) //nolint:forcetypeassert // a map stays one
}

func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, one := range v {
			if one != nil {
				out[name] = withoutNulls(one)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, one := range v {
			out[i] = withoutNulls(one)
		}
		return out
	}
	return v
}

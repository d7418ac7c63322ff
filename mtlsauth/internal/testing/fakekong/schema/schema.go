// Package schema fills in the defaults of a plugin's configuration and refuses
// unknown fields, as Kong does before a plugin sees it. Kong's other rules, for
// configurations and for schemas, are not here: a real Kong checks those.
//
// Values are those of encoding/json: nil for null, float64 for numbers.
package schema

import (
	"encoding/json"
	"fmt"
)

// Schema is the fields of a plugin's schema, as a plugin server's -dump or schema.lua has
// them: each is an object of its name with its attributes.
type Schema []map[string]attributes

type attributes struct {
	Type     string
	Required bool
	Default  any
	Fields   Schema      // of a record
	Elements *attributes // of an array or set
}

// Parse reads a schema.
func Parse(plugin string, text []byte) (Schema, error) {
	var top struct{ Fields Schema }
	if err := json.Unmarshal(text, &top); err != nil {
		return nil, fmt.Errorf("schema of plugin %s: %w", plugin, err)
	}
	return top.Fields, nil
}

// Fill returns the fields that the schema has of an entity (config, protocols, consumer)
// with every default, also nested, and null for what is unset.
func (s Schema) Fill(entity map[string]any) (map[string]any, error) {
	out := map[string]any{}
	for _, field := range s {
		for name, a := range field {
			value, given := entity[name]
			switch {
			case given:
			case a.Default == nil && a.Type == "record" && a.Required:
				value = map[string]any{}
			default:
				value = a.Default
			}
			var err error
			if out[name], err = a.fill(value); err != nil {
				return nil, fmt.Errorf("%s.%w", name, err)
			}
			if out[name] == nil && a.Required {
				return nil, fmt.Errorf("%s: required field missing", name)
			}
		}
	}
	for name := range entity {
		if _, known := out[name]; !known {
			return nil, fmt.Errorf("%s: unknown field", name)
		}
	}
	return out, nil
}

func (a attributes) fill(value any) (any, error) {
	switch v := value.(type) {
	case map[string]any:
		if a.Type == "record" {
			return a.Fields.Fill(v)
		}
	case []any:
		if a.Elements == nil {
			break
		}
		out := make([]any, len(v))
		for i, one := range v {
			var err error
			if out[i], err = a.Elements.fill(one); err != nil {
				return nil, fmt.Errorf("%d.%w", i+1, err)
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

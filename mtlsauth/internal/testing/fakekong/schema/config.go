package schema

import "encoding/json"

// Fill fills in a plugin entity's defaults and checks it: entity holds what a
// declarative file or the Admin API gave of the fields that the plugin's schema
// has (config, protocols, consumer). What comes back has every default, also
// nested, and null for what is unset. The error is of type Violations.
func (s *Schema) Fill(entity map[string]any) (map[string]any, error) {
	record := map[string]any{"fields": s.asList(), "entity_checks": s.checks}
	filled := fillRecord(s.fields, entity)
	var e errors
	validateRecord(&e, "", record, filled)
	if found := e.list(); len(found) > 0 {
		return nil, found
	}
	return filled, nil
}

func (s *Schema) asList() []any {
	out := make([]any, 0, len(s.fields))
	for _, f := range s.fields {
		out = append(out, map[string]any{f.name: f.attrs})
	}
	return out
}

// fillRecord is process_auto_fields for an insert: a missing field gets its
// default; a missing one that is required but a record gets the defaults in it;
// any other is null, unless it is required and has none, when it stays missing
// and fails later. A null that was given stays null.
func fillRecord(fields []field, values map[string]any) map[string]any {
	out := make(map[string]any, len(fields))
	for k, v := range values {
		out[k] = v
	}
	for i := range fields {
		f := &fields[i]
		v, given := out[f.name]
		switch def, has := f.has("default"); {
		case given:
			out[f.name] = fillValue(f, v)
		case has && def != nil:
			out[f.name] = fillValue(f, clone(def))
		case f.kind() == "record" && f.flag("required"):
			out[f.name] = fillRecord(fieldsOf(f.attrs), nil)
		case !f.flag("required"):
			out[f.name] = nil
		}
	}
	return out
}

// fillValue fills in the defaults of records inside a value, and drops what a
// set holds twice.
func fillValue(f *field, v any) any {
	switch f.kind() {
	case "record":
		if m, ok := v.(map[string]any); ok {
			return fillRecord(fieldsOf(f.attrs), m)
		}
	case "array", "set":
		l, ok := v.([]any)
		if !ok {
			return v
		}
		out := make([]any, 0, len(l))
		elements := f.sub("elements")
		for _, one := range l {
			if f.kind() == "set" && !isTable(one) && !isList(one) && among(one, out) {
				continue
			}
			out = append(out, fillValue(elements, one))
		}
		return out
	}
	return v
}

func clone(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		return v
	}
	var out any
	if json.Unmarshal(b, &out) != nil {
		return v
	}
	return out
}

// Instance makes what StartInstance sends of a filled configuration: no nulls,
// at no depth.
func Instance(config map[string]any) map[string]any {
	out := make(map[string]any, len(config))
	for k, v := range config {
		switch v := v.(type) {
		case nil:
		case map[string]any:
			out[k] = Instance(v)
		case []any:
			list := make([]any, 0, len(v))
			for _, one := range v {
				if m, ok := one.(map[string]any); ok {
					list = append(list, Instance(m))
				} else {
					list = append(list, one)
				}
			}
			out[k] = list
		default:
			out[k] = v
		}
	}
	return out
}

package schema

import (
	"fmt"
	"slices"
	"strings"
)

// Check is Kong's MetaSchema for a plugin's schema, as far as JSON can carry
// it (functions cannot): every violation, none for a schema that Kong takes.
func Check(doc any) Violations {
	var e errors
	top, ok := doc.(map[string]any)
	if !ok {
		e.set("", "expected a record")
		return e.list()
	}
	if _, ok := top["name"].(string); !ok {
		e.set("name", "required field missing")
	}
	for attr := range top {
		if !slices.Contains([]string{"name", "fields", "entity_checks", "shorthand_fields", "transformations"}, attr) {
			e.set(attr, "unknown field")
		}
	}
	checkFields(&e, "", top)
	checkEntityChecks(&e, "", top)
	config := find(fieldsOf(top), "config")
	switch {
	case config == nil:
		e.set("fields", "missing field 'config'")
	case config.kind() != "record":
		e.set("config", "expected a record")
	}
	return e.list()
}

// attributes are what a field may have, with the type each is of: the
// validators first, then the others.
var attributes = map[string]string{
	"between": "numbers", "eq": "any", "ne": "any", "gt": "number",
	"len_eq": "integer", "len_min": "integer", "len_max": "integer",
	"match": "string", "not_match": "string", "match_all": "array", "match_none": "array", "match_any": "record",
	"starts_with": "string", "one_of": "array", "not_one_of": "array", "contains": "any",
	"is_regex": "boolean", "timestamp": "boolean", "uuid": "boolean", "mutually_exclusive_subsets": "array",

	"type": "string", "required": "boolean", "reference": "string", "description": "string", "examples": "array",
	"auto": "boolean", "unique": "boolean", "unique_across_ws": "boolean", "on_delete": "string", "default": "any",
	"abstract": "boolean", "generate_admin_api": "boolean", "immutable": "boolean", "err": "string",
	"encrypted": "boolean", "referenceable": "boolean", "json_schema": "record", "transient": "boolean",
	"deprecation": "record", "elements": "record", "keys": "record", "values": "record", "fields": "array",
	"entity_checks": "array", "shorthand_fields": "array",
}

// types are Kong's field types; "function" cannot come as JSON.
var types = []string{"array", "boolean", "foreign", "function", "integer", "json", "map", "number", "record", "set", "string"}

// must are the attributes that a type has to declare. Kong's MetaSchema does
// not list reference: without it a foreign field fails when the schema is
// loaded.
var must = map[string][]string{
	"array": {"elements"}, "set": {"elements"}, "map": {"keys", "values"}, "record": {"fields"},
	"json": {"json_schema"}, "foreign": {"reference"},
}

// only are attributes that go with some types alone.
var only = map[string][]string{
	"between": {"integer", "number"}, "len_eq": {"array", "set", "string", "map"}, "match": {"string"},
	"one_of": {"string", "number", "integer"}, "contains": {"array", "set"}, "is_regex": {"string"},
	"timestamp": {"number", "integer"}, "uuid": {"string"},
	"unique": {"string", "number", "integer", "foreign"}, "unique_across_ws": {"string", "number", "integer", "foreign"},
	"abstract":    {"string", "number", "integer", "record", "array", "set", "map"},
	"json_schema": {"json"}, "transient": {"string", "number", "integer", "array", "set", "boolean"},
}

func checkFields(e *errors, path string, record map[string]any) {
	list, ok := record["fields"].([]any)
	if !ok {
		e.set(join(path, "fields"), "expected an array")
		return
	}
	for i, entry := range list {
		m, ok := entry.(map[string]any)
		switch {
		case !ok:
			e.set(join(path, "fields"), "each entry in fields must be a sub-table")
			continue
		case len(m) != 1:
			e.set(fmt.Sprintf("%s.%d", join(path, "fields"), i+1), "length must be 1")
			continue
		}
		for name, attrs := range m {
			a, ok := attrs.(map[string]any)
			if !ok {
				e.set(join(path, name), fmt.Sprintf("'%s' must be a table", name))
				continue
			}
			checkField(e, join(path, name), &field{name, a})
		}
	}
}

func checkField(e *errors, path string, f *field) {
	kind := f.kind()
	switch {
	case f.attrs["type"] == nil:
		e.set(path, "missing type declaration")
		return
	case !slices.Contains(types, kind):
		e.set(path+".type", "expected one of: "+strings.Join(types, ", "))
		return
	}
	for _, attr := range must[kind] {
		if f.attrs[attr] == nil && !(kind == "record" && f.flag("abstract")) {
			e.set(path, fmt.Sprintf("field of type '%s' must declare '%s'", kind, attr))
		}
	}
	for attr, v := range f.attrs {
		want, known := attributes[attr]
		switch {
		case !known:
			e.set(join(path, attr), "unknown field")
		case only[attr] != nil && !slices.Contains(only[attr], kind):
			e.set(path, fmt.Sprintf("field of type '%s' cannot have attribute '%s'", kind, attr))
		default:
			if text := wrongType(want, v); text != "" {
				e.set(join(path, attr), text)
			}
		}
	}
	if d, ok := f.attrs["description"].(string); ok {
		switch {
		case len(d) < 10:
			e.set(path+".description", "length must be at least 10")
		case len(d) > 500:
			e.set(path+".description", "length must be at most 500")
		}
	}
	if f.flag("unique_across_ws") && !f.flag("unique") {
		e.set(path+".unique", "required field missing")
	}
	checkDefault(e, path, f)
	for _, nested := range []string{"elements", "keys", "values"} {
		if a, ok := f.attrs[nested].(map[string]any); ok {
			checkField(e, join(path, nested), &field{nested, a})
		}
	}
	if kind == "record" && f.attrs["fields"] != nil {
		checkFields(e, path, f.attrs)
		checkEntityChecks(e, path, f.attrs)
	}
}

// checkDefault judges a default by the field's own rules: the MetaSchema's type
// "self". A default of null is none.
func checkDefault(e *errors, path string, f *field) {
	def, ok := f.has("default")
	if !ok || def == nil {
		return
	}
	var own errors
	validate(&own, "default", f, def)
	for _, v := range own.list() {
		e.set(join(path, v.Path), v.Text)
	}
}

// wrongType returns Kong's words for an attribute of the wrong type, "" when it
// is right.
func wrongType(want string, v any) string {
	kind := want
	if want == "numbers" {
		kind = "array"
	}
	f := &field{attrs: map[string]any{"type": kind}}
	if kind == "any" || kind == "record" && isTable(v) || kind == "array" && isList(v) && want == "array" {
		return ""
	}
	if want == "numbers" {
		l, ok := v.([]any)
		if !ok {
			return "expected an array"
		}
		if len(l) != 2 {
			return "length must be 2"
		}
		for _, n := range l {
			if _, ok := n.(float64); !ok {
				return "expected a number"
			}
		}
		return ""
	}
	return typeError(f, v)
}

func isTable(v any) bool { _, ok := v.(map[string]any); return ok }

func isList(v any) bool { _, ok := v.([]any); return ok }

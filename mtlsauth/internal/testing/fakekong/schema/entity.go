package schema

import (
	"maps"
	"strings"
)

// runEntityChecks runs the checks over several fields of a record.
func runEntityChecks(e *errors, path string, fields []field, checks []any, values map[string]any) {
	for _, entry := range checks {
		for name, arg := range asTable(entry) {
			if arg == nil {
				continue
			}
			if text := runEntityCheck(e, path, fields, name, arg, values); text != "" {
				e.entity = append(e.entity, text)
			}
		}
	}
}

func runEntityCheck(e *errors, path string, fields []field, name string, arg any, values map[string]any) string {
	names := words(arg)
	var set []string
	for _, n := range names {
		if nonEmpty(get(values, n)) {
			set = append(set, n)
		}
	}
	m := asTable(arg)
	switch name {
	case "at_least_one_of":
		return unless(len(set) > 0, "at least one of these fields must be non-empty: "+quoted(names))
	case "only_one_of":
		return unless(len(set) == 1, "exactly one of these fields must be non-empty: "+quoted(names))
	case "mutually_required":
		return unless(len(set) == 0 || len(set) == len(names), "all or none of these fields must be set: "+quoted(names))
	case "mutually_exclusive":
		return unless(len(set) <= 1, "only one or none of these fields must be set: "+quoted(names))
	case "distinct":
		seen := map[any]bool{}
		for _, n := range set {
			v := get(values, n)
			if isTable(v) || isList(v) {
				continue // tables are distinct in Lua
			}
			if seen[v] {
				return "values of these fields must be distinct: " + quoted(names)
			}
			seen[v] = true
		}
	case "mutually_exclusive_sets":
		one, two := filled(values, words(m["set1"])), filled(values, words(m["set2"]))
		return unless(len(one) == 0 || len(two) == 0, "these sets are mutually exclusive: ("+quoted(one)+"), ("+quoted(two)+")")
	case "conditional":
		return conditional(e, path, fields, m, values)
	case "conditional_at_least_one_of":
		return conditionalOneOf(fields, m, values)
	}
	return ""
}

func conditional(e *errors, path string, fields []field, m, values map[string]any) string {
	ifField, thenField := text(m["if_field"]), text(m["then_field"])
	if !matches(fields, ifField, m["if_match"], get(values, ifField)) {
		return ""
	}
	then := get(values, thenField)
	var found errors
	validate(&found, "", inherit(fields, thenField, m["then_match"]), then)
	errs := found.list()
	if len(errs) == 0 {
		return ""
	}
	e.set(join(path, thenField), errs[0].Text)
	if own := text(m["then_err"]); own != "" {
		return strings.ReplaceAll(own, "%s", ifField)
	}
	return "failed conditional validation given value of field '" + ifField + "'"
}

func conditionalOneOf(fields []field, m, values map[string]any) string {
	ifField := text(m["if_field"])
	v := get(values, ifField)
	names, own := words(m["then_at_least_one_of"]), text(m["then_err"])
	if !matches(fields, ifField, m["if_match"], v) {
		if m["else_match"] == nil || !matches(fields, ifField, m["else_match"], v) {
			return ""
		}
		names, own = words(m["else_then_at_least_one_of"]), text(m["else_then_err"])
	}
	if len(filled(values, names)) > 0 {
		return ""
	}
	if own != "" {
		return strings.ReplaceAll(own, "%s", quoted(names))
	}
	return "at least one of these fields must be non-empty: " + quoted(names)
}

// matches says whether a value passes a check's validators on top of the
// field's own definition.
func matches(fields []field, name string, match, v any) bool {
	var e errors
	validate(&e, "", inherit(fields, name, match), v)
	return len(e.list()) == 0
}

func inherit(fields []field, name string, match any) *field {
	attrs := map[string]any{}
	if f := lookup(fields, name); f != nil {
		maps.Copy(attrs, f.attrs)
	}
	maps.Copy(attrs, asTable(match))
	return &field{name, attrs}
}

func lookup(fields []field, name string) *field {
	head, tail, nested := strings.Cut(name, ".")
	f := find(fields, head)
	if f == nil || !nested {
		return f
	}
	return lookup(fieldsOf(f.attrs), tail)
}

func get(values map[string]any, name string) any {
	head, tail, nested := strings.Cut(name, ".")
	v := values[head]
	if !nested {
		return v
	}
	return get(asTable(v), tail)
}

func filled(values map[string]any, names []string) []string {
	var out []string
	for _, n := range names {
		if nonEmpty(get(values, n)) {
			out = append(out, n)
		}
	}
	return out
}

func nonEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}

func words(v any) []string {
	l, _ := v.([]any)
	out := make([]string, 0, len(l))
	for _, one := range l {
		out = append(out, text(one))
	}
	return out
}

func text(v any) string { s, _ := v.(string); return s }

func quoted(names []string) string { return "'" + strings.Join(names, "', '") + "'" }

package schema

import (
	"fmt"
	"math"
	"regexp"
	"strings"
)

var uuid = regexp.MustCompile(`(?i)^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// validate is Schema:validate_field for a value that has its defaults.
func validate(e *errors, path string, f *field, v any) {
	if v == nil {
		validateNull(e, path, f)
		return
	}
	if eq, ok := f.has("eq"); ok && eq == nil {
		e.set(path, f.words("value must be null"))
		return
	}
	if text := typeError(f, v); text != "" {
		e.set(path, text)
		return
	}
	var inner errors
	switch f.kind() {
	case "array", "set":
		elements := f.sub("elements").required()
		for i, one := range v.([]any) {
			validate(&inner, fmt.Sprintf("%s.%d", path, i+1), elements, one)
		}
	case "map":
		for k, one := range asTable(v) {
			validate(&inner, path, f.sub("keys").required(), k)
			validate(&inner, path, f.sub("values").required(), one)
		}
	case "record":
		validateRecord(&inner, path, f.attrs, asTable(v))
	case "string":
		if s := v.(string); f.flag("referenceable") && isReference(s) {
			return
		}
	}
	if found := inner.list(); len(found) > 0 {
		for path, text := range inner.byPath {
			e.set(path, text)
		}
		e.entity = append(e.entity, inner.entity...)
		return
	}
	if text := runValidators(f, v); text != "" {
		e.set(path, f.words(text))
	}
}

func validateNull(e *errors, path string, f *field) {
	if ne, ok := f.has("ne"); ok && ne == nil {
		e.set(path, f.words("value must not be null"))
	} else if eq, ok := f.has("eq"); ok && eq != nil {
		e.set(path, "value must be "+show(eq))
	} else if f.flag("required") {
		e.set(path, "required field missing")
	}
}

// validateRecord checks every field of a record, what is no field of it, and
// then the checks over several fields.
func validateRecord(e *errors, path string, record map[string]any, values map[string]any) {
	fields := fieldsOf(record)
	for name, v := range values {
		f := find(fields, name)
		if f == nil {
			e.set(join(path, name), "unknown field")
			continue
		}
		validate(e, join(path, name), f, v)
	}
	for i := range fields {
		f := &fields[i]
		if _, there := values[f.name]; !there && f.flag("required") {
			e.set(join(path, f.name), "required field missing")
		}
	}
	checks, _ := record["entity_checks"].([]any)
	runEntityChecks(e, path, fields, checks, values)
}

func (f *field) required() *field {
	attrs := map[string]any{}
	for k, v := range f.attrs {
		attrs[k] = v
	}
	attrs["required"] = true
	return &field{f.name, attrs}
}

// words returns the field's own error text where it has one.
func (f *field) words(text string) string {
	if own, ok := f.attrs["err"].(string); ok {
		return own
	}
	return text
}

func isReference(s string) bool {
	return strings.HasPrefix(s, "{vault://") && strings.HasSuffix(s, "}")
}

// typeError returns Kong's words when v is not of the field's type. An empty
// Lua table is an array and a record alike.
func typeError(f *field, v any) string {
	ok := true
	switch f.kind() {
	case "array", "set":
		_, ok = v.([]any)
		if m, table := v.(map[string]any); table && len(m) == 0 {
			ok = false // an empty object and an empty list are told apart here
		}
	case "map", "record":
		ok = isTable(v) || isList(v) && len(v.([]any)) == 0
	case "string":
		_, ok = v.(string)
	case "boolean":
		_, ok = v.(bool)
	case "number":
		_, ok = v.(float64)
	case "integer":
		n, number := v.(float64)
		ok = number && n == math.Floor(n) && !math.IsInf(n, 0)
	}
	if ok {
		return ""
	}
	article := "a"
	if kind := f.kind(); kind == "array" || kind == "integer" {
		article = "an"
	}
	return "expected " + article + " " + f.kind()
}

func asTable(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// runValidators applies the validators in Kong's order and returns the words
// of the first that fails.
func runValidators(f *field, v any) string {
	for _, one := range validators {
		if arg, ok := f.has(one.name); ok && arg != nil {
			if text := one.run(f, v, arg); text != "" {
				return text
			}
		} else if one.name == "len_min" && f.kind() == "string" && v == "" {
			return "length must be at least 1"
		}
	}
	return ""
}

var validators = []struct {
	name string
	run  func(f *field, v, arg any) string
}{
	{"eq", func(_ *field, v, arg any) string { return unless(v == arg, "value must be "+show(arg)) }},
	{"ne", func(_ *field, v, arg any) string { return unless(v != arg, "value must not be "+show(v)) }},
	{"not_one_of", func(_ *field, v, arg any) string { return unless(!among(v, arg), "must not be one of: "+list(arg)) }},
	{"one_of", func(_ *field, v, arg any) string { return unless(among(v, arg), "expected one of: "+list(arg)) }},
	{"gt", func(_ *field, v, arg any) string {
		return unless(num(v) > num(arg), "value must be greater than "+show(arg))
	}},
	{"timestamp", func(_ *field, v, arg any) string { return unless(num(v) > 0, "expected a valid timestamp") }},
	{"uuid", func(_ *field, v, arg any) string {
		return unless(arg != true || uuid.MatchString(v.(string)), "expected a valid UUID")
	}},
	{"between", func(_ *field, v, arg any) string {
		l := arg.([]any)
		return unless(num(v) >= num(l[0]) && num(v) <= num(l[1]), "value should be between "+show(l[0])+" and "+show(l[1]))
	}},
	{"len_eq", func(_ *field, v, arg any) string {
		return unless(length(v) == num(arg), "length must be "+show(arg))
	}},
	{"len_min", func(_ *field, v, arg any) string {
		return unless(length(v) >= num(arg), "length must be at least "+show(arg))
	}},
	{"len_max", func(_ *field, v, arg any) string {
		return unless(length(v) <= num(arg), "length must be at most "+show(arg))
	}},
	{"starts_with", func(_ *field, v, arg any) string {
		return unless(strings.HasPrefix(v.(string), arg.(string)), "should start with: "+show(arg))
	}},
	{"not_match", func(_ *field, v, arg any) string {
		return unless(!luaMatch(v.(string), arg.(string)), "invalid value: "+show(v))
	}},
	{"match", func(_ *field, v, arg any) string {
		return unless(luaMatch(v.(string), arg.(string)), "invalid value: "+show(v))
	}},
	{"contains", func(_ *field, v, arg any) string { return unless(among(arg, v), "expected to contain: "+show(arg)) }},
}

func unless(ok bool, text string) string {
	if ok {
		return ""
	}
	return text
}

func num(v any) float64 { n, _ := v.(float64); return n }

func among(v, options any) bool {
	l, _ := options.([]any)
	for _, o := range l {
		if o == v {
			return true
		}
	}
	return false
}

func list(v any) string {
	l, _ := v.([]any)
	texts := make([]string, len(l))
	for i, one := range l {
		texts[i] = show(one)
	}
	return strings.Join(texts, ", ")
}

func length(v any) float64 {
	switch v := v.(type) {
	case string:
		return float64(len(v))
	case []any:
		return float64(len(v))
	case map[string]any:
		return float64(len(v))
	}
	return 0
}

// show writes a value as Lua's tostring does.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case float64:
		return fmt.Sprintf("%.14g", v)
	}
	return fmt.Sprint(v)
}

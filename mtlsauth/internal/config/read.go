package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"mtls-auth/mtlsauth/internal/uuid"
)

// bounds are those of a number.
type bounds struct {
	schema   object // in Kong's words
	ok       func(float64) bool
	expected string // in words; %s is for the unit
}

// maxSafeInteger is the largest integer that a Lua number holds exactly: "no
// upper bound" where Kong's schema wants both ends of a range.
const maxSafeInteger = 1<<53 - 1

var (
	positive    = bounds{object{"gt": 0}, func(n float64) bool { return n > 0 }, "a number of %s over 0"}
	notNegative = bounds{object{"between": []int{0, maxSafeInteger}}, func(n float64) bool { return n >= 0 }, "a number of %s, 0 or more"}
	port        = bounds{object{"between": []int{0, 65535}}, func(n float64) bool { return n >= 0 && n <= 65535 && n == float64(int(n)) }, "an integer between 0 and 65535"}
)

// A host is a name or an IP address, an IPv6 one also in brackets: not a URL, not
// with credentials or a space, which would only be noticed at the first exchange.
// hostPattern is a pattern of Lua's.
const (
	hostCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:[]"
	hostPattern    = "^[%w%-_%.:%[%]]+$"
)

// The name of a header is a token (RFC 9110, section 5.6.2). headerPattern is a pattern of
// Lua's.
const (
	headerCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"
	headerPattern    = "^[%w!#$%%&'*+%-.^_`|~]+$"
)

// reader reads the fields of a JSON object and collects what is wrong with them.
type reader struct {
	raw   map[string]json.RawMessage
	wrong []error
}

func (r *reader) refuse(name string, format string, args ...any) {
	r.wrong = append(r.wrong, fmt.Errorf("config.%s: %s", name, fmt.Sprintf(format, args...)))
}

// absent reports whether a field is left out or null, which is the same to Kong.
func (r *reader) absent(name string) bool {
	raw, ok := r.raw[name]
	return !ok || string(raw) == "null"
}

// into decodes a field, or says what was expected.
func (r *reader) into(v any, name, expected string) bool {
	if err := json.Unmarshal(r.raw[name], v); err != nil {
		r.refuse(name, "expected %s, got %s", expected, cut(string(r.raw[name])))
		return false
	}
	return true
}

// read returns what a field says, or its default; false where that is nothing, or wrong.
func (r *reader) read(f field) (v value, ok bool) {
	if r.absent(f.name) {
		if f.required && f.fallback == nil {
			r.refuse(f.name, "required field missing")
		}
		if f.fallback == nil || f.nullable {
			return value{}, false
		}
		return f.byDefault(), true
	}
	before := len(r.wrong)
	switch {
	case f.kind == boolean:
		r.into(&v.bool, f.name, "true or false")
	case f.kind == text:
		if r.into(&v.text, f.name, "a string") {
			v.text = r.checked(f, v.text, "")
		}
	case f.kind == array && f.records != nil:
		v.records = r.readRecords(f)
	case f.kind == array:
		v.list = r.readList(f)
	default:
		expected := f.expected()
		if r.into(&v.number, f.name, expected) && !f.bounds.ok(v.number) {
			r.refuse(f.name, "expected %s, got %v", expected, v.number)
		}
		v.duration = duration(v.number, units[f.unit])
	}
	return v, len(r.wrong) == before
}

// byDefault returns the default.
func (f field) byDefault() (v value) {
	switch fallback := f.fallback.(type) {
	case bool:
		v.bool = fallback
	case string:
		v.text = fallback
	case int:
		v.number = float64(fallback)
		v.duration = duration(v.number, units[f.unit])
	case []string:
		v.list = fallback
	}
	return v
}

// expected says in words which numbers are accepted.
func (f field) expected() string {
	if f.unit == "" {
		return f.bounds.expected
	}
	return fmt.Sprintf(f.bounds.expected, f.unit)
}

// checked returns a string as it is compared, or says what is wrong with it; at is its
// place in a list.
func (r *reader) checked(f field, s, at string) string {
	switch {
	case s == "":
		r.refuse(f.name, "%slength must be at least 1", at)
	case f.oneOf != nil && !slices.Contains(f.oneOf, s):
		r.refuse(f.name, "%sexpected one of: %s, got %q", at, strings.Join(f.oneOf, ", "), cut(s))
	case f.header && strings.Trim(s, headerCharacters) != "":
		r.refuse(f.name, "%sexpected the name of a header, got %q", at, cut(s))
	case f.host && strings.Trim(s, hostCharacters) != "":
		r.refuse(f.name, "%sexpected a host name or an IP address, without scheme, port or credentials, got %q", at, cut(s))
	case f.uuid:
		lower, ok := uuid.Parse(s)
		if !ok {
			r.refuse(f.name, "%sexpected a valid UUID, got %q", at, cut(s))
		}
		return lower
	case f.form != nil && !f.form.ok(s):
		r.refuse(f.name, "%sexpected %s, got %q", at, f.form.expected, cut(s))
	}
	return s
}

// isEmptyTable reports whether a field is Lua's empty table, which arrives as an object.
func (r *reader) isEmptyTable(name string) bool { return string(r.raw[name]) == "{}" }

func (r *reader) readList(f field) []string {
	var list []string
	if !r.isEmptyTable(f.name) && !r.into(&list, f.name, "an array of strings") {
		return nil
	}
	if len(list) < f.minimum {
		r.refuse(f.name, "length must be at least %d", f.minimum)
	}
	for i, s := range list {
		list[i] = r.checked(f, s, fmt.Sprintf("entry %d: ", i+1))
	}
	return list
}

func (r *reader) readRecords(f field) []map[string]value {
	var names []string
	for _, inner := range f.records {
		names = append(names, inner.name)
	}
	var list []map[string]json.RawMessage
	if !r.isEmptyTable(f.name) && !r.into(&list, f.name, "an array of {"+strings.Join(names, ", ")+"}") {
		return nil
	}
	if len(list) < f.minimum {
		r.refuse(f.name, "length must be at least %d", f.minimum)
	}
	records := make([]map[string]value, len(list))
	for i, raw := range list {
		records[i] = map[string]value{}
		entry := reader{raw: raw}
		for _, inner := range f.records {
			records[i][inner.name], _ = entry.read(inner)
		}
		for _, err := range entry.wrong {
			r.refuse(f.name, "entry %d: %s", i+1, strings.TrimPrefix(err.Error(), "config."))
		}
	}
	return records
}

// content is a digest of the plugin and of all its fields that are not null. Only values
// count, not how the JSON is written.
func (r *reader) content(plugin Plugin) [sha256.Size]byte {
	known := map[string]any{"": plugin}
	for _, f := range fieldsOf(plugin) {
		if r.absent(f.name) {
			continue
		}
		var v any
		numbers := json.NewDecoder(bytes.NewReader(r.raw[f.name]))
		numbers.UseNumber() // none is rounded
		if err := numbers.Decode(&v); err != nil {
			panic(fmt.Sprintf("reading config.%s again: %v", f.name, err)) // it was read before
		}
		known[f.name] = v
	}
	text, err := json.Marshal(known) // with sorted keys
	if err != nil {
		panic(fmt.Sprintf("marshalling a configuration: %v", err))
	}
	return sha256.Sum256(text)
}

// duration is a number of units: at least one nanosecond where there is any, at most ten
// years, beyond which a duration would not hold it.
func duration(n float64, unit time.Duration) time.Duration {
	const tenYears = 10 * 365 * 24 * time.Hour
	switch {
	case unit == 0 || n <= 0:
		return 0
	case n >= float64(tenYears/unit):
		return tenYears
	}
	return max(time.Duration(n*float64(unit)), 1)
}

// cut shortens a value for a message.
func cut(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

package fakekong

import (
	"crypto/sha1"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

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

var uuid = regexp.MustCompile(`(?i)^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func isUUID(s string) bool { return uuid.MatchString(s) }

// nameUUID makes a UUID of version 5 from words.
func nameUUID(words ...string) string {
	sum := sha1.Sum([]byte("fakekong\x00" + strings.Join(words, "\x00")))
	sum[6], sum[8] = sum[6]&0x0f|0x50, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

package fakekong

import (
	"crypto/sha1"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// entity reads the fields of one entity and refuses those it does not know. What else Kong
// refuses, a real one does.
type entity struct {
	at     string
	fields map[string]any
	err    error
}

func newEntity(at string, fields map[string]any, known ...string) *entity {
	e := &entity{at: at, fields: fields}
	known = append(known, "tags", "created_at", "updated_at")
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(known, name) {
			e.fail(name, "unknown field")
		}
	}
	return e
}

func (e *entity) fail(field, format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf("in '%s.%s': %s", e.at, field, fmt.Sprintf(format, args...))
	}
}

// of returns a field of one type, and otherwise where it is absent.
func of[T any](e *entity, field string, otherwise T) T {
	switch v := e.fields[field].(type) {
	case nil:
	case T:
		return v
	default:
		e.fail(field, "expected a %T", otherwise)
	}
	return otherwise
}

func (e *entity) str(field string) string { return of(e, field, "") }

func (e *entity) strs(field string) []string {
	var out []string
	for _, v := range of[[]any](e, field, nil) {
		s, ok := v.(string)
		if !ok {
			e.fail(field, "expected an array of strings")
		}
		out = append(out, s)
	}
	return out
}

// id returns the entity's id, or one made of its name, the same every time, as Kong's
// declarative configuration has it.
func (e *entity) id(kind string, key ...string) string {
	id := e.str("id")
	if id == "" {
		id = nameUUID(append([]string{kind}, key...)...)
	}
	return strings.ToLower(id)
}

// reference reads a foreign key: a name or id, or an object with one of them.
func (e *entity) reference(field string) string {
	if v, ok := e.fields[field].(map[string]any); ok {
		for _, key := range []string{"id", "name", "username"} {
			if s, ok := v[key].(string); ok && len(v) == 1 {
				return s
			}
		}
	}
	return e.str(field)
}

var uuid = regexp.MustCompile(`(?i)^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func isUUID(s string) bool { return uuid.MatchString(s) }

// nameUUID makes a UUID of version 5 from words.
func nameUUID(words ...string) string {
	sum := sha1.Sum([]byte("fakekong\x00" + strings.Join(words, "\x00")))
	sum[6], sum[8] = sum[6]&0x0f|0x50, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

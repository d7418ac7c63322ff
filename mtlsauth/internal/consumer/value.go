package consumer

import (
	"fmt"
	"strings"
	"time"

	"mtls-auth/mtlsauth/internal/uuid"
)

// asList takes absence for an empty list.
func asList(at string, value any) ([]any, error) {
	switch value := value.(type) {
	case nil:
		return nil, nil
	case []any:
		return value, nil
	}
	return nil, fmt.Errorf("%s: it is %s; allowed is a list", at, kindOf(value))
}

func asMapping(at string, value any) (map[string]any, error) {
	fields, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: it is %s; allowed is a mapping", at, kindOf(value))
	}
	return fields, nil
}

// asText takes absence for "". YAML makes numbers, dates and truth values of
// text without quotes, and no two readers the same ones: they are refused, as
// Kong does it, not guessed at.
func asText(key string, value any) (string, error) {
	switch value := value.(type) {
	case nil:
		return "", nil
	case string:
		if strings.Contains(value, "${{") {
			return "", fmt.Errorf("%s: %q is one of decK's variables, which are not filled in here", key, cut(value))
		}
		return value, nil
	}
	return "", fmt.Errorf("%s: it is %s; allowed is text (in quotes, if it looks like something else)", key, kindOf(value))
}

// asUUID returns the UUID in lower case. key may be empty.
func asUUID(key, text string) (string, error) {
	id, ok := uuid.Parse(text)
	if ok {
		return id, nil
	}
	if key != "" {
		key += ": "
	}
	if strings.ContainsAny(text, "\r\n") || len(text) > maxShown {
		return "", fmt.Errorf("%sa text of %d bytes is no UUID", key, len(text))
	}
	return "", fmt.Errorf("%s%q is no UUID", key, text)
}

func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "absent"
	case bool:
		return "a truth value"
	case int, int64, uint64, float64:
		return "a number"
	case time.Time:
		return "a date"
	case string:
		return "text"
	case []any:
		return "a list"
	case map[string]any:
		return "a mapping"
	}
	return "something else"
}

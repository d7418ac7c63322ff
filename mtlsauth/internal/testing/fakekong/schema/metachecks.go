package schema

import (
	"fmt"
	"slices"
	"strings"
)

// checkers are Kong's entity checks that JSON can carry, with what each needs:
// a list of field names, or a record with these members.
var checkers = map[string][]string{
	"at_least_one_of": nil, "only_one_of": nil, "distinct": nil, "mutually_required": nil, "mutually_exclusive": nil,
	"conditional":                 {"if_field", "if_match", "then_field", "then_match", "then_err"},
	"conditional_at_least_one_of": {"if_field", "if_match", "then_at_least_one_of", "then_err", "else_match", "else_then_at_least_one_of", "else_then_err"},
	"mutually_exclusive_sets":     {"set1", "set2"},
	"custom_entity_check":         {"field_sources", "fn", "run_with_missing_fields", "run_with_invalid_fields"},
}

func checkEntityChecks(e *errors, path string, record map[string]any) {
	v, ok := record["entity_checks"]
	if !ok {
		return
	}
	list, ok := v.([]any)
	if !ok {
		e.set(join(path, "entity_checks"), "expected an array")
		return
	}
	for i, entry := range list {
		at := fmt.Sprintf("%s.%d", join(path, "entity_checks"), i+1)
		m, ok := entry.(map[string]any)
		if !ok || len(m) != 1 {
			e.set(at, "exactly one of these fields must be non-empty: the entity checks")
			continue
		}
		for name, arg := range m {
			members, known := checkers[name]
			switch {
			case !known:
				e.set(join(at, name), "unknown field")
			case members == nil && !isStrings(arg):
				e.set(join(at, name), "expected an array")
			case members != nil:
				checkMembers(e, join(at, name), members, arg)
			}
		}
	}
}

func checkMembers(e *errors, at string, members []string, arg any) {
	m, ok := arg.(map[string]any)
	if !ok {
		e.set(at, "expected a record")
		return
	}
	for member, v := range m {
		switch {
		case !slices.Contains(members, member):
			e.set(join(at, member), "unknown field")
		case member == "fn":
			e.set(join(at, member), "expected a function")
		case strings.HasSuffix(member, "_match"):
			if !isTable(v) {
				e.set(join(at, member), "expected a record")
			}
		}
	}
}

func isStrings(v any) bool {
	l, ok := v.([]any)
	return ok && !slices.ContainsFunc(l, func(e any) bool { _, ok := e.(string); return !ok })
}

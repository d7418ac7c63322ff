package deploy_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
)

// schema has the fields of the plugin's configuration, by name, as Kong gets them.
type schema map[string]object

func pluginSchema(t *testing.T, file string) schema {
	t.Helper()
	golden, err := os.ReadFile("../testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var dump any
	if err := json.Unmarshal(golden, &dump); err != nil {
		t.Fatal(err)
	}
	s := schema{}
	for _, field := range list(dump, "Plugins", 0, "Schema", "fields") {
		for _, f := range list(field, "config", "fields") {
			for name, definition := range f.(object) {
				s[name] = definition.(object)
			}
		}
	}
	if len(s) < 15 {
		t.Fatalf("the schema has %d fields", len(s))
	}
	return s
}

// check says what Kong would refuse of a configuration.
func (s schema) check(config object) (wrong []string) {
	for name, v := range config {
		definition, ok := s[name]
		if !ok {
			wrong = append(wrong, fmt.Sprintf("%s: unknown field", name))
		} else if why := fits(definition, v); why != "" {
			wrong = append(wrong, fmt.Sprintf("%s: %v: %s", name, v, why))
		}
	}
	for name, definition := range s {
		_, byDefault := definition["default"]
		if _, set := config[name]; !set && definition["required"] == true && !byDefault {
			wrong = append(wrong, name+": required field missing")
		}
	}
	return wrong
}

func fits(definition object, v any) string {
	kind, ok := text(definition, "type"), false
	switch kind {
	case "string":
		_, ok = v.(string)
	case "boolean":
		_, ok = v.(bool)
	case "record":
		var o object
		if o, ok = v.(object); ok {
			fields := schema{}
			for _, field := range list(definition, "fields") {
				for name, f := range field.(object) {
					fields[name] = f.(object)
				}
			}
			if wrong := fields.check(o); len(wrong) > 0 {
				return wrong[0]
			}
		}
	case "number", "integer":
		_, ok = v.(float64)
	case "array", "set":
		var all []any
		if all, ok = v.([]any); ok {
			elements, _ := definition["elements"].(object)
			for _, e := range all {
				if why := fits(elements, e); why != "" {
					return why
				}
			}
		}
	}
	if !ok {
		return "expected a " + kind
	}
	if allowed := list(definition, "one_of"); allowed != nil && !slices.Contains(allowed, v) {
		return fmt.Sprintf("expected one of %v", allowed)
	}
	return ""
}

// What the examples are checked with finds what is wrong.
func TestSchemaCheck(t *testing.T) {
	s := pluginSchema(t, "dump.json")
	for _, test := range []struct {
		name   string
		config object
		wrong  int
	}{
		{"right", object{"ca_certificates": []any{"cce8c384-721f-4f58-85dd-50834e3e733a"}, "skip_consumer_lookup": true}, 0},
		{"required", object{}, 1},
		{"unknown field", object{"ca_certificates": []any{"x"}, "skip": true}, 1},
		{"wrong type", object{"ca_certificates": []any{"x"}, "skip_consumer_lookup": "true"}, 1},
		{"wrong value", object{"ca_certificates": []any{"x"}, "revocation_check_mode": "HARD"}, 1},
		{"wrong element", object{"ca_certificates": []any{"x"}, "consumer_by": []any{"email"}}, 1},
		{"a record", object{"ca_certificates": []any{"x"}, "spiffe_trust_domains": []any{object{"trust_domain": "a", "ca_certificates": []any{"x"}}}}, 0},
		{"half a record", object{"ca_certificates": []any{"x"}, "spiffe_trust_domains": []any{object{"trust_domain": "a"}}}, 1},
		{"not a list", object{"ca_certificates": "x"}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			if wrong := s.check(test.config); len(wrong) != test.wrong {
				t.Errorf("got %q, want %d", wrong, test.wrong)
			}
		})
	}
}

package schema

import (
	"reflect"
	"strings"
	"testing"
)

const probe = `{"fields":[{"protocols":{"type":"set","default":["http"],"elements":{"type":"string"}}},
 {"config":{"type":"record","required":true,"fields":[
  {"mode":{"type":"string","default":"a"}},{"name":{"type":"string","required":true}},{"none":{"type":"string"}},
  {"list":{"type":"array","elements":{"type":"record","fields":[{"x":{"type":"number","default":1}}]}}}]}}]}`

func TestFill(t *testing.T) {
	s, err := Parse("probe", []byte(probe))
	if err != nil {
		t.Fatal(err)
	}
	type m = map[string]any
	for _, test := range []struct {
		name  string
		given m
		want  m
		err   string
	}{
		{"defaults", m{"config": m{"name": "n"}}, m{"protocols": []any{"http"}, "config": m{"mode": "a", "name": "n", "none": nil, "list": nil}}, ""},
		{"nested defaults", m{"config": m{"name": "n", "list": []any{m{}}}}, m{"protocols": []any{"http"}, "config": m{"mode": "a", "name": "n", "none": nil, "list": []any{m{"x": 1.0}}}}, ""},
		{"null stays", m{"config": m{"name": "n", "mode": nil}}, m{"protocols": []any{"http"}, "config": m{"mode": nil, "name": "n", "none": nil, "list": nil}}, ""},
		{"unknown", m{"config": m{"name": "n", "mod": "a"}}, nil, "config.mod: unknown field"},
		{"unknown, nested", m{"config": m{"name": "n", "list": []any{m{"y": 1}}}}, nil, "config.list.1.y: unknown field"},
		{"required", m{}, nil, "config.name: required field missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := s.Fill(test.given)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want %q", err, test.err)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v (%v), want %v", got, err, test.want)
			}
		})
	}
	if got, want := Instance(m{"a": nil, "b": []any{m{"c": nil, "d": 1.0}}}), (m{"b": []any{m{"d": 1.0}}}); !reflect.DeepEqual(got, want) {
		t.Errorf("an instance gets %v, want %v", got, want)
	}
}

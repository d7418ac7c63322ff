package config

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the generated files anew")

const luaSchemaFile = "../../../kong/plugins/mtls-auth/schema.lua"

// The native door's schema is the query command's: Kong checks a configuration
// alike through both.
func TestLuaSchemaIsUpToDate(t *testing.T) {
	got := LuaSchema()
	if *update {
		if err := os.WriteFile(luaSchemaFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(luaSchemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the schema says now: run go generate ./mtlsauth/internal/config\ngot %s", luaSchemaFile, got)
	}
}

func TestLuaValues(t *testing.T) {
	for _, test := range []struct {
		value any
		want  string
	}{
		{nil, "ngx.null"},
		{[]any{}, "{}"},
		{map[string]any{"eq": nil, "type": "string", "description": `a "b" \ ü` + "\n"}, `{ type = "string", eq = ngx.null, description = "a \"b\" \\ \195\188\010" }`},
		{[]any{true, "x", luaName("plugin")}, `{ true, "x", plugin }`},
	} {
		if got := luaTable(test.value, 0); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// Kong checks a configuration alike in every mode: the Lua plugin has the schema of the
// query command.
func TestLuaSchemaIsUpToDate(t *testing.T) {
	for _, plugin := range []Plugin{MTLSAuth, HeaderCertAuth} {
		upToDate(t, "../../../kong/plugins/"+string(plugin)+"/schema.lua", luaSchema(plugin))
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

// luaHead is what comes before the schema's table. The plugin's name is that of
// the folder, so that the same file serves under another one.
const luaHead = `-- Generated from the schema that the query command prints: see go generate in
-- mtlsauth/internal/config. Kong checks configurations with it, also where the
-- program is not: on a control plane, in kong config parse, in migrations.
-- luacheck: no max line length

local typedefs = require "kong.db.schema.typedefs"

local plugin = (...):match("^kong%.plugins%.(.+)%.schema$")


local schema = `

// luaTail is what comes after it.
const luaTail = `

-- Kong Enterprise has consumer groups. A configuration for one would never run: no
-- consumer is known yet.
local no_consumer_group = rawget(typedefs, "no_consumer_group")
if no_consumer_group then table.insert(schema.fields, { consumer_group = no_consumer_group }) end

return schema
`

// luaSchema is a plugin's schema.lua: the schema as a Lua table.
func luaSchema(plugin Plugin) []byte {
	text, err := json.Marshal(schema(plugin, ""))
	if err != nil {
		panic(fmt.Sprintf("marshalling the schema: %v", err)) // it has only plain fields
	}
	numbers := json.NewDecoder(bytes.NewReader(text))
	numbers.UseNumber() // 9007199254740991, not 9.007199254740991e+15
	var table map[string]any
	if err := numbers.Decode(&table); err != nil {
		panic(fmt.Sprintf("reading the schema back: %v", err))
	}
	table["name"] = luaName("plugin")
	return []byte(luaHead + luaTable(table, 0) + "\n" + luaTail)
}

// luaName is a name in Lua code.
type luaName string

// luaWidth is how long a table on one line may be: a field has one. Single values may be longer.
const luaWidth = 180

// luaTable writes a value as Lua reads it, a table on one line where it has room.
func luaTable(value any, depth int) string {
	if line := luaValue(value); 2*depth+len(line) <= luaWidth {
		return line
	}
	entries := luaEntries(value, func(v any) string { return luaTable(v, depth+1) })
	if len(entries) < 2 { // a table in a table: { config = {
		return luaValueOf(entries, value)
	}
	indent := "\n" + strings.Repeat("  ", depth+1)
	return "{" + indent + strings.Join(entries, ","+indent) + ",\n" + strings.Repeat("  ", depth) + "}"
}

// luaValue writes a value on one line.
func luaValue(value any) string {
	return luaValueOf(luaEntries(value, luaValue), value)
}

func luaValueOf(entries []string, value any) string {
	switch value := value.(type) {
	case nil:
		return "ngx.null"
	case string:
		return luaString(value)
	case map[string]any, []any:
		if len(entries) == 0 {
			return "{}"
		}
		return "{ " + strings.Join(entries, ", ") + " }"
	default: // booleans, numbers and names are the same in both
		return fmt.Sprint(value)
	}
}

// luaEntries writes what is in a table; nil for a value that is no table. A field's type
// comes first and its description last, as people write them.
func luaEntries(value any, write func(any) string) []string {
	var entries []string
	switch value := value.(type) {
	case []any:
		for _, v := range value {
			entries = append(entries, write(v))
		}
	case map[string]any:
		place := map[string]int{"name": -1, "type": -1, "entity_checks": 1, "description": 1}
		keys := slices.SortedFunc(maps.Keys(value), func(a, b string) int {
			if d := place[a] - place[b]; d != 0 {
				return d
			}
			return strings.Compare(a, b)
		})
		for _, key := range keys {
			entries = append(entries, key+" = "+write(value[key]))
		}
	}
	return entries
}

// luaString quotes a text. Escapes are decimal, which every Lua knows.
func luaString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03d`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

package luakong

import (
	"fmt"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// coreEntities are those of Kong's own that plugins read.
var coreEntities = []string{"ca_certificates", "consumers", "plugins", "routes", "services"}

// newDB is kong.db of a Kong without a database.
func (w *Worker) newDB(L *lua.LState) *lua.LTable {
	db, meta, daos := L.NewTable(), L.NewTable(), map[string]*lua.LTable{}
	L.SetField(meta, "__index", L.NewFunction(func(L *lua.LState) int {
		entity := L.CheckString(2)
		if w.cacheKey[entity] == nil && !slices.Contains(coreEntities, entity) {
			L.Push(lua.LNil)
			return 1
		}
		if daos[entity] == nil {
			daos[entity] = w.newDAO(L, entity)
		}
		L.Push(daos[entity])
		return 1
	}))
	L.SetMetatable(db, meta)
	return db
}

func (w *Worker) newDAO(L *lua.LState, entity string) *lua.LTable {
	find := func(L *lua.LState, fits func(row map[string]any) bool) int {
		for _, row := range w.opts.Data(entity) {
			if fits(row) {
				L.Push(toLua(L, row))
				return 1
			}
		}
		L.Push(lua.LNil)
		return 1
	}
	return strict(L, "kong.db."+entity, map[string]lua.LGFunction{
		"select": func(L *lua.LState) int {
			id := L.CheckTable(2).RawGetString("id").String()
			return find(L, func(row map[string]any) bool { return row["id"] == id })
		},
		"each": func(L *lua.LState) int {
			rows := w.opts.Data(entity)
			L.Push(L.NewFunction(func(L *lua.LState) int {
				if len(rows) == 0 {
					L.Push(lua.LNil)
					return 1
				}
				L.Push(toLua(L, rows[0]))
				rows = rows[1:]
				return 1
			}))
			return 1
		},
		"cache_key": func(L *lua.LState) int {
			var values []string
			if row, ok := fromLua(L.Get(2)).(map[string]any); ok {
				values = w.keyOf(entity, row)
			} else {
				for i := range w.cacheKey[entity] {
					values = append(values, L.OptString(2+i, ""))
				}
			}
			L.Push(lua.LString(cacheKey(entity, values)))
			return 1
		},
		"select_by_cache_key": func(L *lua.LState) int {
			key := L.CheckString(2)
			return find(L, func(row map[string]any) bool { return cacheKey(entity, w.keyOf(entity, row)) == key })
		},
	}, func(L *lua.LState, method string) lua.LValue {
		field, ok := strings.CutPrefix(method, "select_by_")
		if !ok {
			return nil
		}
		return L.NewFunction(func(L *lua.LState) int {
			value := L.CheckString(2)
			return find(L, func(row map[string]any) bool { return row[field] == value })
		})
	})
}

// keyOf returns the values of the fields of an entity's cache key; of a foreign one its id.
func (w *Worker) keyOf(entity string, row map[string]any) []string {
	var values []string
	for _, field := range w.cacheKey[entity] {
		value := row[field]
		if foreign, ok := value.(map[string]any); ok {
			value = foreign["id"]
		}
		if value == nil {
			value = ""
		}
		values = append(values, fmt.Sprint(value))
	}
	return values
}

// cacheKey is Kong's: the entity's name and five values.
func cacheKey(entity string, values []string) string {
	for len(values) < 5 {
		values = append(values, "")
	}
	return entity + ":" + strings.Join(values, ":") + ":"
}

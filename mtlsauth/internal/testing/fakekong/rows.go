package fakekong

import (
	"maps"
	"slices"

	"mtls-auth/mtlsauth/internal/testing/fakekong/luakong"
)

// rows returns what kong.db has of an entity.
func (c *config) rows(entity string) []map[string]any {
	switch entity {
	case "consumers":
		return c.consumers
	case "ca_certificates":
		return c.cas
	case "routes":
		var rows []map[string]any
		for _, r := range c.routes {
			row := map[string]any{"id": r.id, "snis": r.snis, "hosts": r.hosts, "protocols": r.protocols}
			if r.service != nil {
				row["service"] = map[string]any{"id": r.service.id}
			}
			rows = append(rows, row)
		}
		return rows
	case "services":
		var rows []map[string]any
		for _, s := range c.services {
			rows = append(rows, map[string]any{"id": s.id, "name": s.name})
		}
		return rows
	case "plugins":
		var rows []map[string]any
		for _, p := range c.plugins {
			row := map[string]any{"id": p.id, "name": p.name, "enabled": p.enabled, "config": p.fields}
			if p.route != nil {
				row["route"] = map[string]any{"id": p.route.id}
			}
			if p.service != nil {
				row["service"] = map[string]any{"id": p.service.id}
			}
			rows = append(rows, row)
		}
		return rows
	}
	return c.pluginRows[entity]
}

// addRow adds a row of a plugin's entity. owner is the consumer that it lies under, ""
// for none.
func (l *loader) addRow(kind luakong.Entity, at string, fields map[string]any, owner string) error {
	var names []string
	for _, f := range kind.Fields {
		names = append(names, f.Name)
	}
	e, row, key := newEntity(at, fields, names...), map[string]any{}, []string{kind.Name}
	for _, f := range kind.Fields {
		value := ""
		switch {
		case f.Name == "id" || slices.Contains([]string{"tags", "created_at"}, f.Name):
			continue
		case f.Reference == "consumers" && owner != "":
			value = owner
		case f.Reference != "":
			value = e.reference(f.Name)
		default:
			value = e.str(f.Name)
		}
		switch {
		case value == "":
		case f.Reference != "":
			row[f.Name] = map[string]any{"id": value}
		default:
			row[f.Name] = value
		}
		key = append(key, f.Name, value)
	}
	row["id"] = e.id(key[0], key[1:]...)
	if l.pluginRows == nil {
		l.pluginRows = map[string][]map[string]any{}
	}
	l.pluginRows[kind.Name] = append(l.pluginRows[kind.Name], row)
	return e.err
}

// entities are those of plugins.
func (ws *workers) entities() []luakong.Entity {
	var all []luakong.Entity
	for _, name := range slices.Sorted(maps.Keys(ws.plugins)) {
		all = append(all, ws.plugins[name].Entities...)
	}
	return all
}

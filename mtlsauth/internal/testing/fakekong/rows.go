package fakekong

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
	return c.credentials[entity]
}

// addCredential adds a row of mtls_auth_credentials. owner is the consumer that it
// lies under, "" for none.
func (l *loader) addCredential(entity, at string, fields map[string]any, owner string) error {
	e := newEntity(at, fields, "id", "subject_name", "consumer", "ca_certificate")
	name := e.str("subject_name")
	if name == "" && e.err == nil {
		e.fail("subject_name", "required field missing")
	}
	if owner == "" {
		if owner = l.consumerID(e.reference("consumer")); owner == "" && e.err == nil {
			e.fail("consumer", "required field missing, or no such consumer")
		}
	}
	ca := e.reference("ca_certificate")
	row := map[string]any{"id": e.id(entity, owner, name, ca), "subject_name": name, "consumer": map[string]any{"id": owner}}
	if ca != "" {
		row["ca_certificate"] = map[string]any{"id": ca}
	}
	if e.err != nil {
		return e.err
	}
	if l.credentials == nil {
		l.credentials = map[string][]map[string]any{}
	}
	l.credentials[entity] = append(l.credentials[entity], row)
	return nil
}

// consumerID returns the id of a consumer that is named by id or username.
func (l *loader) consumerID(reference string) string {
	for _, c := range l.consumers {
		if reference != "" && (c["id"] == reference || c["username"] == reference) {
			return c["id"].(string) //nolint:forcetypeassert // it always is
		}
	}
	return ""
}

// entities are the plugins' own, in Lua mode.
func (ws *workers) entities() []string {
	var names []string
	for _, p := range ws.plugins {
		names = append(names, p.Entities...)
	}
	return names
}

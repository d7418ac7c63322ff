package fakekong

import (
	"slices"
	"strings"
	"time"
)

// owner reads which consumer an entity belongs to: the one that it is nested in
// where consumer is not "", else the one that it names.
func (l *loader) owner(e *entity, consumer string) string {
	if consumer != "" {
		return consumer
	}
	name := e.reference("consumer")
	if name == "" {
		e.fail("consumer", "required field missing")
		return ""
	}
	found := l.loadConsumer(name)
	if found == nil {
		e.fail("consumer", "invalid reference 'consumer: %s' (no such entry in 'consumers')", name)
		return ""
	}
	return found["id"].(string)
}

// owned lists the fields of an entity that belongs to a consumer.
func owned(consumer string, fields ...string) []string {
	if consumer == "" {
		fields = append(fields, "consumer")
	}
	return append(fields, "id")
}

// addKey takes a keyauth_credentials entity. Kong makes up a key where there is
// none and lets one end with its ttl; the stand-in has neither.
func (l *loader) addKey(at string, fields map[string]any, consumer string) error {
	e := newEntity(at, fields, owned(consumer, "key", "ttl")...)
	if fields["ttl"] != nil {
		e.fail("ttl", "the stand-in does not emulate keys that expire")
	}
	key := e.str("key")
	if key == "" {
		e.fail("key", "the stand-in makes up no keys")
	}
	consumer = l.owner(e, consumer)
	if old := pick(l.keys, "key", key); old != nil {
		e.fail("key", "uniqueness violation: '%s' is already %s", key, old["id"])
	}
	made := map[string]any{
		"id": e.id("keyauth_credentials", key), "key": key, "consumer": map[string]any{"id": consumer}, "created_at": float64(time.Now().Unix()),
	}
	if tags := e.strs("tags"); tags != nil {
		made["tags"] = fields["tags"]
	}
	l.keys = append(l.keys, made)
	return e.err
}

// membership is an acls entity: a consumer is in a group.
type membership struct{ id, consumer, group string }

func (l *loader) addACL(at string, fields map[string]any, consumer string) error {
	e := newEntity(at, fields, owned(consumer, "group")...)
	group := e.str("group")
	if group == "" {
		e.fail("group", "required field missing")
	}
	e.strs("tags")
	m := membership{consumer: l.owner(e, consumer), group: group}
	m.id = e.id("acls", m.consumer, group)
	if slices.ContainsFunc(l.acls, func(o membership) bool { return o.id == m.id || o.consumer == m.consumer && o.group == group }) {
		e.fail("group", "uniqueness violation: '%s' twice for one consumer", group)
	}
	l.acls = append(l.acls, m)
	return e.err
}

// groupsOf returns a consumer's groups in the order of their entities' ids, in
// which Kong without a database finds them.
func (c *config) groupsOf(consumer string) []string {
	var own []membership
	for _, m := range c.acls {
		if m.consumer == consumer {
			own = append(own, m)
		}
	}
	slices.SortFunc(own, func(a, b membership) int { return strings.Compare(a.id, b.id) })
	var groups []string
	for _, m := range own {
		groups = append(groups, m.group)
	}
	return groups
}

// loadConsumer is kong.client.load_consumer with search_by_username; nil for
// none.
func (c *config) loadConsumer(name string) map[string]any {
	if isUUID(name) {
		if found := pick(c.consumers, "id", strings.ToLower(name)); found != nil {
			return found
		}
	}
	return pick(c.consumers, "username", name)
}

package fakekong

import (
	"net/http"
	"slices"
	"strings"

	"mtls-auth/mtlsauth/internal/testing/fakekong/errlog"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// aclSchema is what Kong's acl takes.
const aclSchema = `{"name":"acl","fields":[
 {"consumer":{"type":"foreign","reference":"consumers","eq":null}},
 {"protocols":{"type":"set","required":true,"default":["grpc","grpcs","http","https"],"elements":{"type":"string","one_of":["grpc","grpcs","http","https"]}}},
 {"config":{"type":"record","fields":[
  {"allow":{"type":"array","elements":{"type":"string"}}},
  {"deny":{"type":"array","elements":{"type":"string"}}},
  {"hide_groups_header":{"type":"boolean","required":true,"default":false}},
  {"always_use_authenticated_groups":{"type":"boolean","required":true,"default":false}}]}}],
 "entity_checks":[{"only_one_of":["config.allow","config.deny"]},{"at_least_one_of":["config.allow","config.deny"]}]}`

// acl is Kong's acl with one configuration.
type acl struct {
	groups []string
	deny   bool // groups are those that are refused, not those that are let in
	hide   bool
	always bool // authenticated groups before those of a consumer with a credential
}

func loadACL(_ *plugin, at string, fields map[string]any) (builtinAccess, error) {
	conf, err := builtinConfig("acl", aclSchema, at, fields)
	if err != nil {
		return nil, err
	}
	a := &acl{groups: texts(conf["allow"]), hide: conf["hide_groups_header"] == true, always: conf["always_use_authenticated_groups"] == true}
	if denied := texts(conf["deny"]); len(denied) > 0 {
		a.groups, a.deny = denied, true
	}
	return a.access, nil
}

// access decides by the groups that another plugin left with the request where
// there is no consumer or only the anonymous one, else by the consumer's own.
func (a *acl) access(x *exchange) *rpc.Exit {
	id, known := currentConsumer(x)
	if !known || a.always || !x.hasCredential() {
		groups, given, exit := authenticatedGroups(x)
		switch {
		case exit != nil:
			return exit
		case given:
			return a.decide(x, groups, headerAuthenticatedGroups)
		case !known:
			return nobodys(x)
		}
	}
	if !isUUID(id) {
		x.req.Logf(errlog.Error, `[kong] init.lua:406 [acl] handler.lua:98: failed to get from node cache: [off] invalid primary key: '{id="expected a valid UUID"}'`)
		return thrown(x)
	}
	groups := x.state.config.groupsOf(id)
	if len(groups) == 0 && !a.deny {
		return nobodys(x)
	}
	return a.decide(x, groups, headerConsumerGroups)
}

// nobodys is the answer to a client without groups: 403 with a credential, else
// 401.
func nobodys(x *exchange) *rpc.Exit {
	if x.hasCredential() {
		return forbidden(x)
	}
	return rpc.ErrorExit(x.req, http.StatusUnauthorized, "Unauthorized")
}

func forbidden(x *exchange) *rpc.Exit {
	return rpc.ErrorExit(x.req, http.StatusForbidden, "You cannot consume this service")
}

func (a *acl) decide(x *exchange, groups []string, header string) *rpc.Exit {
	in := slices.ContainsFunc(a.groups, func(g string) bool { return slices.Contains(groups, g) })
	if in == a.deny {
		return forbidden(x)
	}
	// Where authenticated groups hold none that is denied, Kong's code has nil
	// for false and sets no header.
	if a.hide || a.deny && header == headerAuthenticatedGroups {
		return nil
	}
	text := strings.Join(groups, ", ")
	if text == "" {
		text = " " // as kong.service.request.set_header has it
	}
	x.req.Header.Set(header, text)
	return nil
}

// currentConsumer is the id of the consumer, or the one that the credential
// names. The empty id that a credential has from lua-protobuf is an id in Lua.
func currentConsumer(x *exchange) (string, bool) {
	if id, ok := x.req.Consumer()["id"].(string); ok {
		return id, true
	}
	id, ok := x.req.Credential()["consumer_id"].(string)
	return id, ok
}

// authenticatedGroups reads kong.ctx.shared.authenticated_groups, and where that
// is no table ngx.ctx.authenticated_groups: of the latter alone Kong complains
// when it is something else. An empty table counts as given.
func authenticatedGroups(x *exchange) (groups []string, given bool, exit *rpc.Exit) {
	const key = "authenticated_groups"
	v := x.req.Shared[key]
	if !isTable(v) {
		if v = x.req.Ctx[key]; v == nil {
			return nil, false, nil
		}
	}
	if !isTable(v) {
		x.req.Logf(errlog.Warn, "[kong] groups.lua:167 [acl] invalid authenticated_groups, a table was expected")
		return nil, false, nil
	}
	list, _ := v.([]any) // a table with names instead of numbers has no list part
	for _, e := range list {
		group, ok := e.(string)
		if !ok {
			x.req.Logf(errlog.Error, "the stand-in does not emulate acl with a group that is no text: %v", e)
			return nil, false, thrown(x)
		}
		groups = append(groups, group)
	}
	return groups, true, nil
}

func isTable(v any) bool {
	switch v.(type) {
	case []any, map[string]any:
		return true
	}
	return false
}

package main

import (
	"encoding/json"

	"mtls-auth/mtlsauth/bench/load"
)

// Names of plugins. Kong takes a name for a plugin server's only where it finds no
// Lua code for it.
const (
	luaName    = "mtls-auth"
	headerName = "header-cert-auth"
	serverName = "mtls-auth-go"
	emptyName  = "bench-empty"
)

const (
	caID       = "cce8c384-721f-4f58-85dd-50834e3e733a"
	consumerID = "a11ce000-0000-4000-8000-000000000001"
	clientName = "client.example"
)

// handedHeader has the client's certificate where a proxy hands it over.
const handedHeader = "X-Client-Cert"

// spec is a route as Kong is configured with it.
type spec struct {
	name   string
	plugin string         // "" for none
	config map[string]any // of the plugin
	key    string         // key-auth's
	handed bool           // the client's certificate comes in a header as well
	sees   []string
	told   bool // the upstream sees Client-Cert as well
}

func (s spec) path() string { return "/" + s.name }

var (
	consumer = []string{"X-Consumer-ID: " + consumerID}
	dn       = []string{"X-Client-Cert-Dn: CN=client"}

	pluginRoutes = []spec{
		{name: "no-plugin"},
		{name: "empty-lua-plugin", plugin: emptyName},
		{name: "key-auth", plugin: "key-auth", key: "the-clients-key", sees: consumer},
		{name: "mtls-auth", plugin: luaName, config: config(true), sees: dn},
		{name: "mtls-auth-consumer", plugin: luaName, config: config(false), sees: consumer},
		{name: "mtls-auth-and-header", plugin: luaName, config: config(false), handed: true, sees: consumer},
		{name: "header-cert-auth", plugin: headerName, config: headerConfig(), handed: true, sees: consumer},
		{name: "plugin-server-mode", plugin: serverName, config: config(false), sees: consumer},
		{name: "with-client-cert", plugin: luaName, config: telling("rfc9440"), sees: consumer, told: true},
		{name: "with-details", plugin: luaName, config: telling("details"), sees: append([]string{"X-Client-Cert-Subject-Dn: CN=client"}, consumer...)},
		{name: "plugin-server-mode-with-client-cert", plugin: serverName, config: telling("rfc9440"), sees: consumer, told: true},
	}
	nginxRoutes = []spec{{name: "ssl_verify_client"}}
)

func config(skipConsumerLookup bool) map[string]any {
	return map[string]any{
		"ca_certificates": []any{caID}, "skip_consumer_lookup": skipConsumerLookup, "consumer_by": []any{"username"},
		"cache_ttl": 3600, "revocation_check_mode": "SKIP",
	}
}

// telling is config with headers that tell the upstream the certificate.
func telling(headers ...any) map[string]any {
	c := config(false)
	c["upstream_certificate_headers"] = headers
	return c
}

func headerConfig() map[string]any {
	c := config(false)
	c["certificate_header_name"], c["certificate_header_format"] = handedHeader, "base64_encoded"
	return c
}

// tables are what is measured. Each has routes, and so figures, of its own.
func (l *lab) tables() []*table {
	kept := l.named("requests over connections that are kept and have shown a certificate (32 clients, TLS 1.3)", load.Kept,
		"no-plugin", "empty-lua-plugin", "key-auth", "mtls-auth", "mtls-auth-consumer", "plugin-server-mode")
	kept.goals = func() []goal {
		empty, key, ours := kept.routes[1], kept.routes[2], kept.routes[4]
		return []goal{
			{"warm requests, of the empty Lua plugin's", ours.ratio(empty), 0.95, true},
			{"warm requests, of key-auth's", ours.ratio(key), 1, true},
			{"Kong's CPU µs of a warm request, beyond the empty Lua plugin's", ours.beyond(empty), 4, false},
		}
	}
	told := l.named("the same, with upstream_certificate_headers", load.Kept,
		"mtls-auth-consumer", "with-client-cert", "with-details", "plugin-server-mode", "plugin-server-mode-with-client-cert")
	told.goals = func() []goal {
		return []goal{
			{"warm requests with Client-Cert, of those without", told.routes[1].ratio(told.routes[0]), 0.95, true},
			{"the same in plugin-server mode", told.routes[4].ratio(told.routes[3]), 0.9, true},
		}
	}
	handed := l.named("requests over kept connections, with a certificate of RSA-2048 in a header besides", load.Kept,
		"mtls-auth-and-header", "header-cert-auth")
	handed.goals = func() []goal {
		return []goal{{"Kong's CPU µs of header-cert-auth, beyond mtls-auth's", handed.routes[1].beyond(handed.routes[0]), 3, false}}
	}
	fresh := l.named("a new connection for each request (TLS 1.3, 4 clients)", load.New, "ssl_verify_client", "no-plugin", "mtls-auth-consumer")
	resumed := l.named("a resumed TLS session for each request (TLS 1.3, 4 clients)", load.Resumed, "ssl_verify_client", "mtls-auth-consumer")
	fresh.goals = func() []goal {
		return []goal{{"new connections, of ssl_verify_client's", fresh.routes[2].ratio(fresh.routes[0]), 1, true}}
	}
	resumed.goals = func() []goal {
		ours := resumed.routes[1]
		return []goal{
			{"resumed connections, of ssl_verify_client's", ours.ratio(resumed.routes[0]), 0.95, true},
			{"resumed connections, of our new ones", ours.median(rate) / fresh.routes[2].median(rate), 1.7, true},
		}
	}
	return []*table{kept, handed, told, fresh, resumed}
}

// named makes a table of routes.
func (l *lab) named(what string, how load.Connections, names ...string) *table {
	t := &table{what: what}
	for _, name := range names {
		r := *l.routes[name]
		r.how = how
		t.routes = append(t.routes, &r)
	}
	return t
}

// declarative is Kong's declarative configuration with these routes.
func declarative(specs []spec, upstream, caPEM string) ([]byte, error) {
	var routes []any
	owner := map[string]any{"id": consumerID, "username": clientName}
	for _, s := range specs {
		r := map[string]any{"name": s.name, "paths": []string{s.path()}}
		if s.plugin != "" {
			plugin := map[string]any{"name": s.plugin}
			if s.config != nil {
				plugin["config"] = s.config
			}
			r["plugins"] = []any{plugin}
		}
		if s.key != "" {
			owner["keyauth_credentials"] = []any{map[string]any{"key": s.key}}
		}
		routes = append(routes, r)
	}
	return json.Marshal(map[string]any{
		"_format_version": "3.0",
		"services":        []any{map[string]any{"name": "upstream", "url": "http://" + upstream, "routes": routes}},
		"consumers":       []any{owner},
		"ca_certificates": []any{map[string]any{"id": caID, "cert": caPEM}},
	})
}

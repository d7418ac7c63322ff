package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"mtls-auth/mtlsauth"
	"mtls-auth/mtlsauth/bench/server"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// Names of routes that are no contenders for warm requests.
const (
	noPlugin       = "no plugin"
	doesNil        = "StartServer, no call"
	oneCall        = "StartServer, one call"
	keyAuth        = "Kong's key-auth"
	nativeWarm     = "ours, native door"
	nativeConsumer = "ours, native door, ends in a consumer"
	nativeAnew     = "ours, native door, decided anew"
	oursAnew       = "ours, decided anew"
)

// Names of our plugin in one Kong: Kong takes a name for a plugin server's only
// where it finds no Lua code for it.
const (
	nativeName = "mtls-auth"
	serverName = "mtls-auth-go"
)

// routing is every route, and the plugin servers as Kong is to know them.
type routing struct {
	routes  []*route
	servers []realkong.PluginServer
}

// routing starts the plugin servers.
func (b *bench) routing() (*routing, error) {
	const dn, key = "X-Client-Cert-Dn: CN=client", "the-clients-key"
	r := &routing{routes: []*route{{name: noPlugin, path: "/none"}}}
	for _, p := range []struct {
		name, plugin string
		sees         []string
	}{{doesNil, "empty", nil}, {oneCall, "one", nil}, {twoCalls, "two", []string{dn}}, {sixCalls, "six", []string{dn}}} {
		process, socket, err := b.goPDK(p.plugin)
		if err != nil {
			return nil, err
		}
		plugin := "bench-" + p.plugin
		if err := r.serve(plugin, socket, b.path(".json"), dump(plugin, socket)); err != nil {
			return nil, err
		}
		r.routes = append(r.routes, &route{name: p.name, path: "/" + plugin, plugin: plugin, sees: p.sees, server: process})
	}
	process, socket, err := b.bytes(false)
	if err != nil {
		return nil, err
	}
	const bytes = "bench-bytes"
	if err := r.serve(bytes, socket, b.path(".json"), dump(bytes, socket)); err != nil {
		return nil, err
	}
	r.routes = append(r.routes, &route{name: byHand, path: "/" + bytes, plugin: bytes, sees: []string{dn}, server: process})
	for _, door := range []struct{ plugin, warm, consumer, anew string }{
		{serverName, oursWarm, oursConsumer, oursAnew},
		{nativeName, nativeWarm, nativeConsumer, nativeAnew},
	} {
		process, socket, err := b.ours(server.Ours{Name: door.plugin})
		if err != nil {
			return nil, err
		}
		own, err := mtlsauth.Dump(door.plugin, filepath.Dir(socket))
		if err != nil {
			return nil, err
		}
		if err := r.serve(door.plugin, socket, b.path(".json"), own); err != nil {
			return nil, err
		}
		found := []string{"X-Consumer-ID: " + consumerID, "X-Credential-Identifier: client.example"}
		for _, way := range []struct {
			name, path string
			config     map[string]any
			sees       []string
		}{
			{door.warm, "", kongConfig(), []string{dn}},
			{door.consumer, "-consumer", kongConfig("skip_consumer_lookup", false), found},
			{door.anew, "-anew", kongConfig("skip_consumer_lookup", false, "cache_ttl", 0), found},
		} {
			r.routes = append(r.routes, &route{
				name: way.name, path: "/" + door.plugin + way.path, plugin: door.plugin, config: way.config, sees: way.sees, server: process,
			})
		}
	}
	r.routes = append(r.routes, &route{name: keyAuth, path: "/key-auth", plugin: "key-auth", apikey: key, sees: []string{"X-Consumer-ID: " + consumerID}})
	return r, nil
}

// serve has Kong know a plugin server, whose query command prints a file.
func (r *routing) serve(plugin, socket, file string, dump []byte) error {
	r.servers = append(r.servers, realkong.PluginServer{Name: plugin, QueryCommand: "cat " + file, Socket: socket})
	return os.WriteFile(file, dump, 0o644)
}

// named returns copies of routes, for figures of their own.
func (r *routing) named(names ...string) []*route {
	var list []*route
	for _, name := range names {
		one := *routeNamed(r.routes, name)
		list = append(list, &one)
	}
	return list
}

// kongConfig is config without what Kong adds itself.
func kongConfig(change ...any) map[string]any {
	c := config(change...)
	delete(c, "__plugin_id")
	return c
}

// dump is what a query command prints of a plugin without a configuration.
func dump(name, socket string) []byte {
	text, err := json.Marshal(map[string]any{
		"Protocol": "ProtoBuf:1", "SocketPath": socket,
		"Plugins": []any{map[string]any{
			"Name": name, "Phases": []string{"access"}, "Version": "0.1.0", "Priority": 1,
			"Schema": map[string]any{"name": name, "fields": []any{
				map[string]any{"config": map[string]any{"type": "record", "fields": []any{}}},
			}},
		}},
	})
	if err != nil {
		panic(err) // strings and numbers alone
	}
	return text
}

// declarative is Kong's configuration with every route.
func declarative(routes []*route, upstream, caPEM string) ([]byte, error) {
	var list []any
	consumer := map[string]any{"id": consumerID, "username": "client.example"}
	for _, r := range routes {
		one := map[string]any{"name": strings.TrimPrefix(r.path, "/"), "paths": []string{r.path}}
		if r.plugin != "" {
			plugin := map[string]any{"name": r.plugin}
			if r.config != nil {
				plugin["config"] = r.config
			}
			one["plugins"] = []any{plugin}
		}
		if r.apikey != "" {
			consumer["keyauth_credentials"] = []any{map[string]any{"key": r.apikey}}
		}
		list = append(list, one)
	}
	return json.Marshal(map[string]any{
		"_format_version": "3.0",
		"services":        []any{map[string]any{"name": "upstream", "url": upstream, "routes": list}},
		"consumers":       []any{consumer},
		"ca_certificates": []any{map[string]any{"id": server.CAID, "cert": caPEM}},
	})
}

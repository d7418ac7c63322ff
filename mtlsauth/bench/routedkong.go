package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mtls-auth/mtlsauth"
	"mtls-auth/mtlsauth/bench/load"
	"mtls-auth/mtlsauth/bench/role"
	"mtls-auth/mtlsauth/bench/server"
	"mtls-auth/mtlsauth/internal/pkitest"
	"mtls-auth/mtlsauth/internal/realkong"
)

// Names of routes that are no contenders for warm requests.
const (
	noPlugin = "no plugin"
	doesNil  = "StartServer, no call"
	oneCall  = "StartServer, one call"
	keyAuth  = "Kong's key-auth"
)

// routedKong is a real Kong with every route, and the clients for it.
type routedKong struct {
	*realkong.Kong
	routes  []*route
	clients load.Clients
}

// startKong starts plugin servers, upstream, Kong and clients, and returns when
// every route answers as it should. b stops all of them but Kong.
func (b *bench) startKong(command string, workers int) (*routedKong, error) {
	k := new(routedKong)
	var servers []realkong.PluginServer
	var err error
	if k.routes, servers, err = b.routes(); err != nil {
		return nil, err
	}
	upstream, address, err := load.StartUpstream()
	if err != nil {
		return nil, err
	}
	b.running = append(b.running, upstream)
	o := realkong.Options{Command: command, NoAdmin: true, NoAccessLog: true, Servers: servers}
	if o.Prefix, err = b.folder(); err != nil {
		return nil, err
	}
	if o.Config, err = declarative(k.routes, "http://"+address, b.root.PEM()); err != nil {
		return nil, err
	}
	o.Workers, o.LogLevel, o.SSLVerifyClient = workers, "notice", "optional_no_ca"
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if k.Kong, err = realkong.Start(ctx, o); err != nil {
		return nil, err
	}
	if err := b.meet(ctx, k); err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

// meet starts the clients and sees that every route answers as it should.
func (b *bench) meet(ctx context.Context, k *routedKong) error {
	client := b.root.Client("client", pkitest.DNS("client.example"))
	var err error
	k.clients, err = load.Start(load.Options{
		Address: strings.TrimPrefix(k.URLTLS(), "https://"), Root: string(k.RootPEM()), Cert: client.PEM(), Key: client.KeyPEM(),
	})
	if err != nil {
		return err
	}
	b.running = append(b.running, k.clients.Process)
	for _, r := range k.routes {
		for {
			err := k.check(r)
			if err == nil {
				break
			}
			select { // a worker may not have read its configuration yet
			case <-ctx.Done():
				return fmt.Errorf("%s: %w", r.name, err)
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	return nil
}

// check sees that upstream gets what a route's plugin adds.
func (k *routedKong) check(r *route) error {
	body, err := k.clients.Get(r.request(load.Shows + ": 1\r\n"))
	if err != nil {
		return err
	}
	return r.seen(body)
}

// seen says whether a request is what upstream should see.
func (r *route) seen(request string) error {
	for _, want := range r.sees {
		if !strings.Contains(strings.ToLower(request), "\n"+strings.ToLower(want)+"\n") {
			return fmt.Errorf("upstream does not see %q: %q", want, request)
		}
	}
	return nil
}

// request returns a request to a route, with header lines besides its own.
func (r *route) request(lines string) string {
	if r.apikey != "" {
		lines += "apikey: " + r.apikey + "\r\n"
	}
	return "GET " + r.path + " HTTP/1.1\r\nHost: localhost\r\n" + lines + "\r\n"
}

// routes starts the plugin servers and returns every route, and how Kong knows
// the servers.
func (b *bench) routes() ([]*route, []realkong.PluginServer, error) {
	const dn, key = "X-Client-Cert-Dn: CN=client", "the-clients-key"
	routes := []*route{{name: noPlugin, path: "/none"}}
	var servers []realkong.PluginServer
	add := func(r *route, dump []byte, p *role.Process, socket string) error {
		file := b.path(".json")
		r.server, r.path = p, "/"+r.plugin
		routes = append(routes, r)
		servers = append(servers, realkong.PluginServer{Name: r.plugin, QueryCommand: "cat " + file, Socket: socket})
		return os.WriteFile(file, dump, 0o644)
	}
	for _, r := range []struct {
		name, plugin string
		sees         []string
	}{{doesNil, "empty", nil}, {oneCall, "one", nil}, {twoCalls, "two", []string{dn}}, {sixCalls, "six", []string{dn}}} {
		p, socket, err := b.goPDK(r.plugin)
		if err != nil {
			return nil, nil, err
		}
		plugin := "bench-" + r.plugin
		if err := add(&route{name: r.name, plugin: plugin, sees: r.sees}, dump(plugin, socket), p, socket); err != nil {
			return nil, nil, err
		}
	}
	p, socket, err := b.bytes(false)
	if err != nil {
		return nil, nil, err
	}
	const bytes = "bench-bytes"
	if err := add(&route{name: byHand, plugin: bytes, sees: []string{dn}}, dump(bytes, socket), p, socket); err != nil {
		return nil, nil, err
	}
	if p, socket, err = b.ours(server.Ours{}); err != nil {
		return nil, nil, err
	}
	const ours = "mtls-auth"
	own, err := mtlsauth.Dump(ours, filepath.Dir(socket))
	if err != nil {
		return nil, nil, err
	}
	if err := add(&route{name: oursWarm, plugin: ours, config: kongConfig(), sees: []string{dn}}, own, p, socket); err != nil {
		return nil, nil, err
	}
	return append(routes,
		&route{
			name: oursConsumer, path: "/consumer", plugin: ours, config: kongConfig("skip_consumer_lookup", false), server: p,
			sees: []string{"X-Consumer-ID: " + consumerID, "X-Credential-Identifier: client.example"},
		},
		&route{name: keyAuth, path: "/key-auth", plugin: "key-auth", apikey: key, sees: []string{"X-Consumer-ID: " + consumerID}},
	), servers, nil
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

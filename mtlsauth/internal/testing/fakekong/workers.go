package fakekong

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/testing/fakekong/luakong"
	"mtls-auth/mtlsauth/internal/testing/fakekong/schema"
)

// workers are Kong's worker processes, from a start or a reload to the next.
type workers struct {
	list    []*luakong.Worker
	plugins map[string]*luaPlugin // with Lua code, by name
	data    atomic.Pointer[config]
}

type luaPlugin struct {
	*luakong.Plugin
	schema schema.Schema
}

// newWorkers starts workers and loads the plugins that lie at LuaPath.
func (k *Kong) newWorkers() (*workers, error) {
	ws := &workers{plugins: map[string]*luaPlugin{}}
	for id := range max(1, k.opts.Workers) {
		w := luakong.New(luakong.Options{
			ID: id, Path: k.opts.LuaPath, Files: ownFiles(), Configuration: k.kongConfiguration(), Log: k.log, Shared: k.shared, Trusted: k.trusts,
			Data: func(entity string) []map[string]any { return ws.data.Load().rows(entity) },
		})
		ws.list = append(ws.list, w)
	}
	for _, name := range append([]string{"key-auth", "acl"}, k.luaPlugins()...) {
		for _, w := range ws.list {
			p, err := w.Load(name)
			if err != nil {
				ws.close()
				return nil, fmt.Errorf("loading plugin %s: %w", name, err)
			}
			text, err := json.Marshal(p.Schema)
			if err != nil {
				return nil, err
			}
			s, err := schema.Parse(name, text)
			if err != nil {
				return nil, fmt.Errorf("schema of plugin %s: %w", name, err)
			}
			ws.plugins[name] = &luaPlugin{p, s}
		}
	}
	return ws, nil
}

// luaPlugins are the plugins that lie at LuaPath.
func (k *Kong) luaPlugins() []string {
	if k.opts.LuaPath == "" {
		return nil
	}
	var names []string
	handlers, _ := filepath.Glob(filepath.Join(k.opts.LuaPath, "kong", "plugins", "*", "handler.lua")) // a good pattern
	for _, file := range handlers {
		names = append(names, filepath.Base(filepath.Dir(file)))
	}
	return names
}

//go:embed plugins
var own embed.FS

// ownFiles are those of the plugins that Kong has itself, by module.
func ownFiles() map[string]string {
	files := map[string]string{}
	err := fs.WalkDir(own, "plugins", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := own.ReadFile(path)
		files["kong."+strings.ReplaceAll(strings.TrimSuffix(path, ".lua"), "/", ".")] = string(text)
		return err
	})
	if err != nil {
		panic(err) // they are in the program
	}
	return files
}

// kongConfiguration is kong.configuration, of which plugins read a part.
func (k *Kong) kongConfiguration() map[string]any {
	c := map[string]any{
		"prefix": k.opts.Prefix, "database": "off", "role": "traditional",
		"proxy_listen": []string{listenAddress(k.opts.Listen), listenAddress(k.opts.ListenTLS) + " ssl"},
		"admin_listen": []string{listenAddress(k.opts.AdminListen)},
	}
	if len(k.opts.TrustedIPs) > 0 {
		c["trusted_ips"] = k.opts.TrustedIPs
	}
	if k.info != nil {
		c["pluginserver_names"] = []string{k.info.Name}
		c["pluginservers"] = []any{map[string]any{"name": k.info.Name, "socket": k.socket}}
	}
	return c
}

// trusts is kong.ip.is_trusted.
func (k *Kong) trusts(ip string) bool {
	address, err := netip.ParseAddr(ip)
	return err == nil && slices.ContainsFunc(k.opts.TrustedIPs, func(trusted string) bool {
		if network, err := netip.ParsePrefix(trusted); err == nil {
			return network.Contains(address)
		}
		return trusted == ip
	})
}

func listenAddress(address string) string {
	if address == "" {
		return "127.0.0.1:0"
	}
	return address
}

// begin runs the phases of a worker's start: init_worker, then configure.
func (ws *workers) begin(c *config) error {
	ws.data.Store(c)
	for _, name := range slices.Sorted(maps.Keys(ws.plugins)) {
		for _, w := range ws.list {
			if err := w.InitWorker(name); err != nil {
				return fmt.Errorf("init_worker of plugin %s: %w", name, err)
			}
		}
	}
	return ws.configure(c)
}

func (ws *workers) configure(c *config) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(ws.plugins)) {
		for i, w := range ws.list {
			var all []*luakong.Conf
			for _, p := range c.plugins {
				if p.name == name && p.enabled {
					all = append(all, p.lua[i])
				}
			}
			if err := w.Configure(name, all); err != nil {
				errs = append(errs, fmt.Errorf("configure of plugin %s: %w", name, err))
			}
		}
	}
	return errors.Join(errs...)
}

// reconfigure puts another declarative configuration in force, with Kong's events.
func (ws *workers) reconfigure(c *config) error {
	ws.data.Store(c)
	for _, w := range ws.list {
		w.Fire("mlcache", "mlcache:purge:kong_core_db_cache", nil)
		w.Fire("mlcache", "mlcache:purge:kong_db_cache", nil)
	}
	err := ws.configure(c)
	for _, w := range ws.list {
		w.Fire("declarative", "reconfigure", nil)
	}
	return err
}

func (ws *workers) close() {
	for _, w := range ws.list {
		w.Close()
	}
}

func (ws *workers) quit(grace time.Duration) {
	for _, w := range ws.list {
		w.Quit(grace)
	}
}

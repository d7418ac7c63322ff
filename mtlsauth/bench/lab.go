package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	luafiles "mtls-auth/kong"
	"mtls-auth/mtlsauth/bench/load"
	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// lab is two Kongs with the same upstream: one with every plugin, where the Lua
// plugin asks for certificates, and one without any, where nginx asks for them and
// verifies them.
type lab struct {
	dir      string
	root     *pki.Certificate
	upstream *load.Upstream

	plugins, nginx *realkong.Kong
	routes         map[string]*route
	clients        []*load.Clients
}

const startTimeout = 2 * time.Minute

// start starts the lab. It returns when every route answers as it should.
func start(ctx context.Context, o options) (l *lab, err error) {
	l = &lab{root: pki.NewCA("root"), routes: make(map[string]*route)}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.dir, err = os.MkdirTemp("", "bench-"); err != nil {
		return l, err
	}
	if l.upstream, err = load.StartUpstream(); err != nil {
		return l, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := l.startPlugins(ctx, o); err != nil {
		return l, err
	}
	if err := l.startNginx(ctx, o); err != nil {
		return l, err
	}
	for _, r := range l.routes {
		if err := r.await(ctx); err != nil {
			return l, err
		}
	}
	return l, nil
}

func (l *lab) startPlugins(ctx context.Context, o options) error {
	program := filepath.Join(l.dir, "mtls-auth")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "mtls-auth").CombinedOutput(); err != nil {
		return fmt.Errorf("building the program: %w\n%s", err, out)
	}
	if err := os.Symlink(program, filepath.Join(l.dir, serverName)); err != nil {
		return err
	}
	lua := filepath.Join(l.dir, "lua")
	if _, err := luafiles.Write(lua, luaName, program); err != nil {
		return err
	}
	if err := writeEmptyPlugin(lua); err != nil {
		return err
	}
	prefix := filepath.Join(l.dir, "plugins")
	options := l.options(o, prefix)
	options.LuaPath, options.Plugins, options.TrustedIPs = lua, []string{emptyName, headerName}, []string{"127.0.0.0/8"}
	for _, name := range []string{luaName, serverName} {
		command := filepath.Join(l.dir, name) + " -kong-prefix " + prefix
		options.Servers = append(options.Servers, realkong.PluginServer{
			Name: name, QueryCommand: strings.Replace(command, " ", " -dump ", 1),
			StartCommand: command + " -admin-url http://127.0.0.1:1 -declarative-config " + filepath.Join(l.dir, "kong.json"),
			Socket:       filepath.Join(prefix, name+".socket"),
		})
	}
	text, err := declarative(pluginRoutes, l.upstream.Address(), l.root.PEM())
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(l.dir, "kong.json"), text, 0o600); err != nil {
		return err
	}
	options.Config = text
	if l.plugins, err = realkong.Start(ctx, options); err != nil {
		return err
	}
	return l.add(l.plugins, pluginRoutes)
}

func (l *lab) startNginx(ctx context.Context, o options) error {
	roots := filepath.Join(l.dir, "roots.pem")
	if err := os.WriteFile(roots, []byte(l.root.PEM()), 0o644); err != nil {
		return err
	}
	options := l.options(o, filepath.Join(l.dir, "nginx"))
	options.SSLVerifyClient = "on"
	options.Settings = []string{"nginx_proxy_ssl_client_certificate = " + roots, "nginx_proxy_ssl_verify_depth = 2"}
	var err error
	if options.Config, err = declarative(nginxRoutes, l.upstream.Address(), l.root.PEM()); err != nil {
		return err
	}
	if l.nginx, err = realkong.Start(ctx, options); err != nil {
		return err
	}
	return l.add(l.nginx, nginxRoutes)
}

func (l *lab) options(o options, prefix string) realkong.Options {
	r := realkong.Options{Command: o.command, NoAdmin: true, NoAccessLog: true}
	r.Prefix, r.Workers, r.LogLevel = prefix, o.workers, "notice"
	return r
}

// add makes routes of a Kong with clients of its own, which have a certificate.
func (l *lab) add(k *realkong.Kong, specs []spec) error {
	client := l.root.Client("client", pki.DNS(clientName))
	clients, err := load.NewClients(strings.TrimPrefix(k.URLTLS(), "https://"), k.RootPEM(), client.TLS())
	if err != nil {
		return err
	}
	l.clients = append(l.clients, clients)
	handed := l.root.Client("client", pki.DNS(clientName), pki.RSA(2048))
	for _, s := range specs {
		r := &route{name: s.name, kong: k, clients: clients, path: s.path(), sees: s.sees}
		if s.told {
			r.sees = append([]string{"Client-Cert: :" + base64.StdEncoding.EncodeToString(client.Raw) + ":"}, r.sees...)
		}
		if s.key != "" {
			r.header = "apikey: " + s.key + "\r\n"
		}
		if s.handed {
			r.header = handedHeader + ": " + base64.StdEncoding.EncodeToString(handed.Raw) + "\r\n"
		}
		l.routes[s.name] = r
	}
	return nil
}

func (l *lab) close() {
	for _, c := range l.clients {
		c.Close()
	}
	for _, k := range []*realkong.Kong{l.plugins, l.nginx} {
		if k != nil {
			k.Close()
		}
	}
	if l.upstream != nil {
		l.upstream.Close()
	}
	if l.dir != "" {
		os.RemoveAll(l.dir)
	}
}

// writeEmptyPlugin writes a Lua plugin that does nothing.
func writeEmptyPlugin(lua string) error {
	dir := filepath.Join(lua, "kong", "plugins", emptyName)
	return errors.Join(
		os.MkdirAll(dir, 0o755),
		os.WriteFile(filepath.Join(dir, "handler.lua"), []byte(`return { PRIORITY = 1600, VERSION = "1.0.0", access = function() end }`), 0o644),
		os.WriteFile(filepath.Join(dir, "schema.lua"), []byte(`return { name = "`+emptyName+`", fields = { { config = { type = "record", fields = {} } } } }`), 0o644),
	)
}

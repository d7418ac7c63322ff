// Package demo shows the how-to on this machine, with no Kong: a CA, certificates, an
// upstream, and a fake Kong that runs the plugin's Lua files, or in plugin-server mode
// talks to this program alone. Builds with the tag release leave it out.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	luafiles "mtls-auth/kong"
	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/fakekong"
)

// Modes in which the demo runs the plugin.
const (
	LuaMode          = "lua"
	PluginServerMode = "plugin-server"
)

// Options are the demo's flags.
type Options struct {
	Mode  string // LuaMode or PluginServerMode
	Serve bool   // stay up until the context ends
	Port  int    // of the fake Kong for HTTPS; 0 for any
	// Dir keeps what the demo makes. It must be empty or absent; "" is a temporary
	// folder that is removed.
	Dir string
}

// Run runs the whole how-to and prints each request as a curl line with its answer. It
// reports whether all answers were as expected.
func Run(ctx context.Context, o Options, out io.Writer) (asExpected bool, err error) {
	dir, remove, err := folder(o.Dir)
	if err != nil {
		return false, err
	}
	defer func() {
		if asExpected {
			err = errors.Join(err, remove())
		}
	}()
	fmt.Fprintf(out, "Making keys and certificates in %s\n", dir)
	howto, err := newHowTo(dir)
	if err != nil {
		return false, err
	}
	upstream := httptest.NewServer(fakekong.Echo)
	defer upstream.Close()
	config, err := howto.writeKongYAML(upstream.URL, o.Mode)
	if err != nil {
		return false, err
	}
	kong, err := startKong(ctx, dir, config, o)
	if err != nil {
		return false, err
	}
	defer kong.Close()
	if err := os.WriteFile(howto.path("kong.crt"), kong.RootPEM(), 0o600); err != nil {
		return false, err
	}
	fmt.Fprintf(out, "A fake Kong (not for production) listens on %s and %s,\n"+
		"configured by %s.\n%s\n", kong.URLTLS(), kong.URL(), config, map[string]string{
		LuaMode:          "It runs the plugin's Lua files, which ask this program.",
		PluginServerMode: "It asks this program as its plugin server, without Lua files.",
	}[o.Mode])

	fine := 0
	requests := howto.requests(kong.URL(), kong.URLTLS())
	for _, r := range requests {
		if r.run(ctx, kong, out) {
			fine++
		}
	}
	fmt.Fprintf(out, "\n%d of %d answers were as expected.\n", fine, len(requests))
	if fine < len(requests) {
		fmt.Fprintf(out, "Keys, certificates and logs are left in %s\n", dir)
		return false, nil
	}
	if o.Serve {
		fmt.Fprintf(out, "Still here: paste the curl lines into another terminal; Kong's log is %s. Ctrl-C ends.\n", howto.path("error.log"))
		<-ctx.Done()
	}
	if o.Dir != "" {
		fmt.Fprintf(out, "Keys, certificates and logs are left in %s\n", dir)
	}
	return true, nil
}

// folder returns the absolute path of an empty folder for the demo, and what removes it at
// the end if it is temporary.
func folder(dir string) (path string, remove func() error, err error) {
	if dir == "" {
		path, err = os.MkdirTemp("", "mtls-auth-demo-")
		return path, func() error { return os.RemoveAll(path) }, err
	}
	keep := func() error { return nil }
	if path, err = filepath.Abs(dir); err != nil {
		return "", keep, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", keep, err
	}
	if left, err := os.ReadDir(path); err != nil || len(left) > 0 {
		return "", keep, cmp.Or(err, fmt.Errorf("-dir %s: must be an empty folder, or absent", path))
	}
	return path, keep, nil
}

// startKong starts the fake Kong with this program beside it and waits until that
// listens. A link gives the program the plugin's name.
func startKong(ctx context.Context, dir, config string, demo Options) (*fakekong.Kong, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	plugin := filepath.Join(dir, "mtls-auth")
	if err := os.Symlink(program, plugin); err != nil {
		return nil, err
	}
	prefix := filepath.Join(dir, "kong")
	// The program binds beside the socket and renames; the kernel's own error for a path
	// that is too long says nothing.
	if socket := filepath.Join(prefix, "mtls-auth.socket.1234567"); len(socket) > maxSocket {
		return nil, fmt.Errorf("the folder %s makes the socket's path longer than %d bytes: use a shorter -dir or TMPDIR", dir, maxSocket)
	}
	log, err := os.OpenFile(filepath.Join(dir, "error.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	lua := ""
	if demo.Mode == LuaMode {
		lua = filepath.Join(dir, "lua")
		if _, err := luafiles.Write(lua, luafiles.Name, plugin); err != nil {
			return nil, err
		}
	}
	text, err := os.ReadFile(config)
	if err != nil {
		return nil, err
	}
	o := anykong.Options{Prefix: prefix, Config: text, LuaPath: lua, LogLevel: "info", LogOutput: log}
	if demo.Port != 0 {
		o.ListenTLS = fmt.Sprintf("127.0.0.1:%d", demo.Port)
	}
	if demo.Mode == PluginServerMode {
		o.QueryCommand = shellQuote(plugin) + " -dump -kong-prefix " + shellQuote(prefix)
		o.StartCommand = shellQuote(plugin) + " -kong-prefix " + shellQuote(prefix)
	}
	kong, err := fakekong.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(prefix, "mtls-auth.socket")
	for range 500 {
		if _, err := os.Stat(socket); err == nil {
			return kong, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	kong.Close()
	return nil, errors.New("the server does not listen: see " + log.Name())
}

// maxSocket is the longest path of a Unix socket.
const maxSocket = 107

// shellQuote quotes a word for /bin/sh, which runs Kong's commands.
func shellQuote(word string) string {
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// Package demo shows the how-to on this machine, with no Kong: a CA, certificates, an
// upstream, and a fake Kong that runs the plugin's Lua files, or in plugin-server mode
// talks to this program alone. Builds with the tag release leave it out.
package demo

import (
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

// Run runs the whole how-to in a mode and prints each request as a curl line with its
// answer. It reports whether all answers were as expected. With serve it stays up until
// ctx ends.
func Run(ctx context.Context, mode string, serve bool, out io.Writer) (bool, error) {
	dir, err := os.MkdirTemp("", "mtls-auth-demo-")
	if err != nil {
		return false, err
	}
	fmt.Fprintf(out, "Making keys and certificates in %s\n", dir)
	howto, err := newHowTo(dir)
	if err != nil {
		return false, err
	}
	upstream := httptest.NewServer(fakekong.Echo)
	defer upstream.Close()
	config, err := howto.writeKongYAML(upstream.URL, mode)
	if err != nil {
		return false, err
	}
	kong, err := startKong(ctx, dir, config, mode)
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
	}[mode])

	asExpected := 0
	requests := howto.requests(kong.URL(), kong.URLTLS())
	for _, r := range requests {
		if r.run(ctx, kong, out) {
			asExpected++
		}
	}
	fmt.Fprintf(out, "\n%d of %d answers were as expected. Keys, certificates and logs are left in %s\n", asExpected, len(requests), dir)
	if asExpected < len(requests) {
		return false, nil
	}
	if serve {
		fmt.Fprintf(out, "Still here: paste the curl lines into another terminal; Kong's log is %s. Ctrl-C ends.\n", howto.path("error.log"))
		<-ctx.Done()
	}
	return true, nil
}

// startKong starts the fake Kong with this program beside it and waits until that
// listens. A link gives the program the plugin's name.
func startKong(ctx context.Context, dir, config, mode string) (*fakekong.Kong, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	plugin := filepath.Join(dir, "mtls-auth")
	if err := os.Symlink(program, plugin); err != nil {
		return nil, err
	}
	prefix := filepath.Join(dir, "kong")
	log, err := os.OpenFile(filepath.Join(dir, "error.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	lua := ""
	if mode == LuaMode {
		lua = filepath.Join(dir, "lua")
		if _, err := luafiles.Write(lua, luafiles.Name, plugin); err != nil {
			return nil, err
		}
	}
	o := anykong.Options{Prefix: prefix, DeclarativeConfig: config, LuaPath: lua, LogLevel: "info", LogOutput: log}
	if mode == PluginServerMode {
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

// shellQuote quotes a word for /bin/sh, which runs Kong's commands.
func shellQuote(word string) string {
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

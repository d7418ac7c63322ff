package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	luafiles "mtls-auth/kong"
	"mtls-auth/mtlsauth/internal/flags"
	"mtls-auth/mtlsauth/internal/testing/fakekong"
)

// Modes in which the demo runs the plugin.
const (
	luaMode          = "lua"
	pluginServerMode = "plugin-server"
)

// demo runs the whole how-to on this machine: a CA, certificates, an upstream, and a
// fake Kong that runs the plugin's Lua files, or in plugin-server mode talks to this
// program alone, and starts this program as Kong does. It prints each request as a
// curl line with its answer and returns 0 when all answers were as expected.
func demo(args []string, stdout, stderr io.Writer) int {
	set := flag.NewFlagSet("demo", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	var serve bool
	flags.Boolean(set, &serve, "serve", "")
	mode := set.String("mode", luaMode, "")
	err := set.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return help(stdout)
	}
	if err != nil {
		return wrongUse(stderr, "demo: %v; its flags are -mode and -serve", err)
	}
	if *mode != luaMode && *mode != pluginServerMode {
		return wrongUse(stderr, "demo: -mode %q: must be %s or %s", *mode, luaMode, pluginServerMode)
	}
	if set.NArg() > 0 {
		return wrongUse(stderr, "demo takes no arguments, got %q", set.Args())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := runDemo(ctx, *mode, serve, stdout)
	if err != nil {
		fmt.Fprintf(stderr, "mtls-auth: demo: %v\n", err)
		return exitNo
	}
	return code
}

func runDemo(ctx context.Context, mode string, serve bool, out io.Writer) (int, error) {
	dir, err := os.MkdirTemp("", "mtls-auth-demo-")
	if err != nil {
		return exitNo, err
	}
	fmt.Fprintf(out, "Making keys and certificates in %s\n", dir)
	howto, err := newHowTo(dir)
	if err != nil {
		return exitNo, err
	}
	upstream := httptest.NewServer(fakekong.Echo)
	defer upstream.Close()
	config, err := howto.writeKongYAML(upstream.URL, mode)
	if err != nil {
		return exitNo, err
	}
	kong, err := startKong(ctx, dir, config, mode)
	if err != nil {
		return exitNo, err
	}
	defer kong.Close()
	if err := os.WriteFile(howto.path("kong.crt"), kong.RootPEM(), 0o600); err != nil {
		return exitNo, err
	}
	fmt.Fprintf(out, "A fake Kong (not for production) listens on %s and %s,\n"+
		"configured by %s.\n%s\n", kong.URLTLS(), kong.URL(), config, map[string]string{
		luaMode:          "It runs the plugin's Lua files, which ask this program.",
		pluginServerMode: "It asks this program as its plugin server, without Lua files.",
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
		return exitNo, nil
	}
	if serve {
		fmt.Fprintf(out, "Still here: paste the curl lines into another terminal; Kong's log is %s. Ctrl-C ends.\n", howto.path("error.log"))
		<-ctx.Done()
	}
	return exitFine, nil
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
	if mode == luaMode {
		lua = filepath.Join(dir, "lua")
		if _, err := luafiles.Write(lua, luafiles.Name, plugin); err != nil {
			return nil, err
		}
	}
	o := fakekong.Options{Prefix: prefix, DeclarativeConfig: config, LuaPath: lua, LogLevel: "info", LogOutput: log}
	if mode == pluginServerMode {
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

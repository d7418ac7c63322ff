package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"mtls-auth/mtlsauth/internal/flags"
)

// Modes of the demo.
const (
	luaMode          = "lua"
	pluginServerMode = "plugin-server"
)

const demoHelp = `usage: mtls-auth demo [-serve] [-port PORT] [-dir DIR] [-mode lua|plugin-server]
Makes a CA and certificates, starts a fake Kong with the plugin, and shows six requests with
their answers. Exit code 0 if all are as expected.

`

func demo(c call) int {
	set := commandFlags("demo")
	o := demoOptions{Mode: luaMode}
	flags.Boolean(set, &o.Serve, "serve", "keep running, for the curl lines that it prints; Ctrl-C ends it")
	set.StringVar(&o.Mode, "mode", luaMode, "how Kong reaches the server, the `MODE` lua or plugin-server")
	set.Func("port", "`PORT` of the fake Kong for HTTPS (default: any)", func(value string) error {
		port, err := strconv.ParseUint(value, 10, 16)
		if err != nil || port == 0 {
			return errors.New("must be 1 to 65535")
		}
		o.Port = int(port)
		return nil
	})
	text(set, &o.Dir, "dir", "keep keys, certificates and logs in this `DIR` (default: a temporary folder, removed at the end)")
	if code, done := parseCommand(c, set, demoHelp); done {
		return code
	}
	if o.Mode != luaMode && o.Mode != pluginServerMode {
		return wrongUse(c.stderr, "demo", "demo: -mode %q: must be %s or %s", o.Mode, luaMode, pluginServerMode)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	asExpected, err := runDemo(ctx, o, c.stdout)
	if err != nil {
		return failure(c.stderr, "demo", err)
	}
	if !asExpected {
		return exitNo
	}
	return exitFine
}

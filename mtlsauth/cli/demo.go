package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"mtls-auth/mtlsauth/internal/flags"
)

// Modes of the demo.
const (
	luaMode          = "lua"
	pluginServerMode = "plugin-server"
)

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
	asExpected, err := runDemo(ctx, *mode, serve, stdout)
	if err != nil {
		fmt.Fprintf(stderr, "mtls-auth: demo: %v\n", err)
	}
	if err != nil || !asExpected {
		return exitNo
	}
	return exitFine
}

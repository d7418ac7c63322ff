package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"syscall"

	"mtls-auth/mtlsauth"
	"mtls-auth/mtlsauth/internal/flags"
)

// serverFlags are the plugin server's flags as they were given.
type serverFlags struct {
	mtlsauth.ServerOptions
	dump     bool
	help     bool
	takeOver bool
}

// serve is the plugin server, or Kong's query command.
func serve(c call) int {
	name, stdin, stdout, stderr := c.name, c.stdin, c.stdout, c.stderr
	given := serverFlags{ServerOptions: mtlsauth.ServerOptions{Name: name}}
	set := given.define()
	fromEnvironment := given.FromEnvironment()
	if err := parse(set, c.args); err != nil {
		return wrongUse(stderr, "", "%v", err)
	}
	if given.help {
		return help(stdout)
	}
	if given.dump {
		out, err := mtlsauth.Dump(name, given.Prefix)
		if err != nil {
			fmt.Fprintf(stderr, "mtls-auth: %v\n", err)
			return exitNo
		}
		stdout.Write(out)
		return exitFine
	}
	// Kong runs the query command in another environment than the server, which
	// is the one that has to be right.
	if fromEnvironment != nil {
		return wrongUse(stderr, "", "%v", fromEnvironment)
	}
	if given.Prefix == "" {
		return wrongUse(stderr, "", "-kong-prefix: invalid value \"\": must be Kong's prefix, a folder")
	}
	given.Notices = flags.UnknownVariables(os.Environ())
	// On a terminal, where a mistake would take Kong's server away.
	given.KeepOther = !given.takeOver && stdin != nil && isTerminal(stdin)
	// Files are for this user alone; the socket's mode is set explicitly.
	syscall.Umask(0o077)
	err := mtlsauth.Serve(given.ServerOptions, stdin, stderr)
	if _, ok := errors.AsType[*mtlsauth.OtherServerError](err); ok {
		fmt.Fprintf(stderr, "mtls-auth: %v: -take-over replaces it\n", err)
		return exitNo
	}
	var wrong *mtlsauth.UsageError
	if errors.As(err, &wrong) {
		return wrongUse(stderr, "", "%v", err)
	}
	if err != nil {
		fmt.Fprintf(stderr, "mtls-auth: %v\n", err)
		return exitNo
	}
	return exitFine
}

func help(stdout io.Writer) int {
	fmt.Fprint(stdout, usage, "\nflags of the server, each but -dump, -help, -lua-mode and -take-over also as an environment variable\n"+
		"(-admin-url is MTLS_AUTH_ADMIN_URL):\n")
	set := new(serverFlags).define()
	set.SetOutput(stdout)
	set.PrintDefaults()
	fmt.Fprint(stdout, "\nLua mode does not use -admin-…, -ca-dir, -credentials, -declarative-config and -refresh.\n")
	return exitFine
}

func (f *serverFlags) define() *flag.FlagSet {
	set := flag.NewFlagSet("mtls-auth", flag.ContinueOnError)
	set.SetOutput(io.Discard) // Run says what is wrong
	set.Usage = func() {}
	flags.Boolean(set, &f.dump, "dump", "print what Kong's query command asks for and end")
	flags.Boolean(set, &f.LuaMode, "lua-mode", "started by the Lua plugin, which writes what is printed to Kong's log: no source of plugin-server mode is opened")
	flags.Boolean(set, &f.takeOver, "take-over", "on a terminal, replace a server that answers on the socket")
	flags.Boolean(set, &f.help, "help", "say how the program is used")
	f.Flags(set)
	return set
}

// parse reads flags from the arguments, which win over the environment.
func parse(set *flag.FlagSet, args []string) error {
	err := set.Parse(args)
	if errors.Is(err, flag.ErrHelp) { // -h
		return set.Set("help", "true")
	}
	if err != nil {
		return known(set, err)
	}
	if set.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", set.Arg(0))
	}
	return nil
}

package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"mtls-auth/mtlsauth/internal/flags"
)

// commandFlags returns a set of flags for a sub-command.
func commandFlags(command string) *flag.FlagSet {
	set := flag.NewFlagSet(command, flag.ContinueOnError)
	set.SetOutput(io.Discard) // Run says what is wrong
	set.Usage = func() {}
	return set
}

// parseCommand reads a sub-command's flags. Where it reports that the command is done, with
// its exit code, help was asked for or the use is wrong.
func parseCommand(c call, set *flag.FlagSet, help string) (code int, done bool) {
	err := set.Parse(c.args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(c.stdout, help)
		set.SetOutput(c.stdout)
		set.PrintDefaults()
		return exitFine, true
	}
	if err == nil && set.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", set.Arg(0))
	}
	if err != nil {
		return wrongUse(c.stderr, set.Name(), "%s: %v", set.Name(), known(set, err)), true
	}
	return exitFine, false
}

// known is an error of a set of flags; for an unknown one it names the nearest.
func known(set *flag.FlagSet, err error) error {
	name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !ok {
		return err
	}
	var names []string
	set.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	hint := flags.DidYouMean(name, names, "-")
	for _, k := range names {
		if hint == "" && strings.HasSuffix(k, "-"+name) {
			hint = "; did you mean -" + k + "?"
		}
	}
	return fmt.Errorf("unknown flag -%s%s", name, hint)
}

// text is a flag whose value must not be empty.
func text(set *flag.FlagSet, p *string, name, usage string) {
	set.Func(name, usage, func(value string) error {
		if value == "" {
			return errors.New("must not be empty")
		}
		*p = value
		return nil
	})
}

// prefixFlag defines -kong-prefix as the server has it, with its environment variables.
func prefixFlag(set *flag.FlagSet) *string {
	prefix := flags.DefaultPrefix()
	text(set, &prefix, "kong-prefix", "Kong's prefix `DIR`, where the socket lies (default $MTLS_AUTH_KONG_PREFIX, $KONG_PREFIX, else /usr/local/kong)")
	return &prefix
}

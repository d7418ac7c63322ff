package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"

	"mtls-auth/kong"
	"mtls-auth/mtlsauth"
)

// lua writes the Lua files of the native door for the plugin of this name, that of
// the program as it was called, and says what kong.conf needs besides.
func lua(called, name string, args []string, stdout, stderr io.Writer) int {
	if name == headerCertAuth {
		return notThisPlugin(name, stderr)
	}
	set := flag.NewFlagSet("lua", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	out := set.String("out", "", "the folder to write to")
	if err := set.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return exitFine
	} else if err != nil || set.NArg() > 0 || *out == "" {
		return wrongUse(stderr, "lua: got %q, it needs -out DIR alone: the folder to write to", args)
	}
	dir, err := filepath.Abs(*out)
	if err != nil {
		fmt.Fprintf(stderr, "mtls-auth: %v\n", err)
		return exitNo
	}
	// It goes into Kong's search path for Lua, where both have a meaning.
	if strings.ContainsAny(dir, ";?") {
		return wrongUse(stderr, "lua: -out: invalid value %q: a path without ; and ? is allowed", *out)
	}
	written, err := kong.Write(dir, name)
	if _, ok := errors.AsType[*kong.NameError](err); ok {
		return wrongUse(stderr, "lua: called as %s: %v", name, err)
	}
	if err != nil {
		fmt.Fprintf(stderr, "mtls-auth: lua: %v\n", err)
		return exitNo
	}
	for _, file := range written {
		fmt.Fprintf(stdout, "wrote %s\n", file)
	}
	fmt.Fprintf(stdout, `
version %s of the plugin %s, for this program alone: write it anew with each version.
kong.conf, with PREFIX for Kong's prefix, in which the program has its socket:

lua_package_path = %s/?.lua;;
plugins = bundled,%[2]s
pluginserver_names = %[2]s
pluginserver_%[4]s_socket = PREFIX/%[2]s.socket
pluginserver_%[4]s_query_cmd = %[5]s -dump -kong-prefix PREFIX
pluginserver_%[4]s_start_cmd = %[5]s -kong-prefix PREFIX
`, mtlsauth.Version, name, dir, strings.ToLower(strings.ReplaceAll(name, "-", "_")), programPath(called))
	if name == kong.Name {
		fmt.Fprint(stdout, "\nWith a database: kong migrations up, for the entity mtls_auth_credentials.\n")
	}
	return exitFine
}

// programPath is the program as it was called, for a command line that Kong runs,
// in another folder and with another PATH.
func programPath(called string) string {
	path := called
	if !strings.Contains(called, "/") {
		if found, err := exec.LookPath(called); err == nil {
			path = found
		}
	}
	if absolute, err := filepath.Abs(path); err == nil {
		return absolute
	}
	return called
}

package cli

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"mtls-auth/kong"
	"mtls-auth/mtlsauth"
)

const luaHelp = `usage: mtls-auth lua -out DIR
Writes the Lua plugin's files below DIR, and says which two lines kong.conf needs. The
plugin starts the program from where it is now.

`

// lua writes the Lua plugin under this name, that of the program as it was called, and
// prints what kong.conf needs besides.
func lua(c call) int {
	called, name, stdout, stderr := c.path, c.name, c.stdout, c.stderr
	if name == headerCertAuth {
		return wrongUse(stderr, "lua", "lua: called as %s: must be called as mtls-auth, which writes the files of both plugins", name)
	}
	set := commandFlags("lua")
	var out string
	text(set, &out, "out", "the folder to write to, a `DIR`; must be given")
	if code, done := parseCommand(c, set, luaHelp); done {
		return code
	}
	if out == "" {
		return wrongUse(stderr, "lua", "lua: -out DIR, the folder to write to, must be given")
	}
	dir, err := filepath.Abs(out)
	if err != nil {
		fmt.Fprintf(stderr, "mtls-auth: %v\n", err)
		return exitNo
	}
	// It goes into Kong's search path for Lua, where both have a meaning.
	if strings.ContainsAny(dir, ";?") {
		return wrongUse(stderr, "lua", "lua: -out: invalid value %q: must be a path without ; and ?", out)
	}
	program := programPath(called)
	if strings.Contains(program, "/go-build") { // in a temporary folder or in Go's cache
		fmt.Fprintf(stderr, "mtls-auth: lua: Kong would start %s, which \"go run\" does not keep: run \"go build\" and use that program\n", program)
		return exitNo
	}
	written, err := kong.Write(dir, name, program)
	if _, ok := errors.AsType[*kong.NameError](err); ok {
		return wrongUse(stderr, "lua", "lua: called as %s: %v", name, err)
	}
	if err != nil {
		fmt.Fprintf(stderr, "mtls-auth: lua: %v\n", err)
		return exitNo
	}
	for _, file := range written {
		fmt.Fprintf(stdout, "wrote %s\n", file)
	}
	fmt.Fprintf(stdout, `
version %s of the plugin %s, for this version of the program: write it again with each one.
It starts %[4]s, or what the environment variable MTLS_AUTH_BIN names. kong.conf:

lua_package_path = %[3]s/?.lua;;
plugins = bundled,%[2]s
`, mtlsauth.Version, name, dir, program)
	if names := kong.Names(name); len(names) > 1 {
		fmt.Fprintf(stdout, "\nOr with the plugin for certificates that a proxy sends in a header:\n\nplugins = bundled,%s\n", strings.Join(names, ","))
	}
	if name == kong.Name {
		fmt.Fprint(stdout, "\nWith a database: kong migrations up, for the entities mtls_auth_credentials and header_cert_auth_credentials.\n")
	}
	return exitFine
}

// programPath returns the program's absolute path as it was called, links not followed:
// Kong runs it in another folder and with another PATH, and its base name is the
// plugin's name.
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

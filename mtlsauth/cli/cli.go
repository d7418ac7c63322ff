// Package cli is the program: its sub-commands and flags.
package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"mtls-auth/mtlsauth/internal/flags"
)

// Exit codes. No means that the command ran and the answer is no.
const (
	exitFine  = 0
	exitNo    = 1
	exitUsage = 2
)

const usage = `usage:
  mtls-auth [-kong-prefix DIR] [flags]        runs the server
  mtls-auth -dump [-kong-prefix DIR]          prints what Kong's query command asks for: one JSON object
  mtls-auth ping [-kong-prefix DIR]           asks whether the server is ready to decide, for probes
  mtls-auth verify -cert FILE -ca FILE        tells how a certificate would be answered, and why; without Kong
  mtls-auth doctor [-kong-prefix DIR]         finds mistakes in the set-up of this node, with their cures
  mtls-auth lua -out DIR                      writes the Lua plugin's files, for Kong's lua_package_path
  mtls-auth demo [-serve]                     shows six requests with their answers, without Kong
  mtls-auth version                           prints the versions of the program, go-pdk and Go
  mtls-auth -help                             prints this, and the server's flags
  mtls-auth COMMAND -help                     prints the flags of a command
The program's file name is the plugin's name: a copy or link called other-auth serves the plugin other-auth.
MTLS_AUTH_BIN, where Kong starts, is the path of the program that the Lua plugin runs.
`

// headerCertAuth is the name under which this program will be another plugin.
const headerCertAuth = "header-cert-auth"

// call is how the program was called.
type call struct {
	path, name     string // as it was called, and the plugin's name
	args           []string
	stdin          *os.File
	stdout, stderr io.Writer
}

// commands are the sub-commands.
var commands = map[string]func(call) int{
	"demo": demo, "doctor": doctorCommand, "lua": lua, "ping": ping, "verify": verifyCommand, "version": version,
	"help": func(c call) int { return help(c.stdout) },
}

// Run is the program with these arguments, args[0] its name as in os.Args. It
// returns the exit code: 0 fine, 1 the answer is no, 2 wrong use.
func Run(args []string, stdin *os.File, stdout, stderr io.Writer) int {
	// The base name as it was called, links not followed: Kong finds the plugin
	// by the name in its configuration.
	out := &checkedWriter{Writer: stdout}
	code := run(call{args[0], filepath.Base(args[0]), args[1:], stdin, out, stderr})
	if out.err != nil {
		fmt.Fprintf(stderr, "mtls-auth: writing the output: %v\n", out.err)
		return max(code, exitNo)
	}
	return code
}

func run(c call) int {
	if len(c.args) > 0 && (c.args[0] == "-version" || c.args[0] == "--version") {
		c.args[0] = "version"
	}
	if len(c.args) == 0 || strings.HasPrefix(c.args[0], "-") {
		return serve(c)
	}
	name := c.args[0]
	c.args = c.args[1:]
	if command := commands[name]; command != nil {
		return command(c)
	}
	var known []string
	for k := range commands {
		known = append(known, k)
	}
	return wrongUse(c.stderr, "", "unknown command %q%s", name, flags.DidYouMean(name, known, ""))
}

// checkedWriter remembers that writing failed: a full disk must not pass for an answer.
type checkedWriter struct {
	io.Writer
	err error
}

func (w *checkedWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		w.err = err
	}
	return n, err
}

// wrongUse says what is wrong, and which command has the help on it; "" is the server.
func wrongUse(stderr io.Writer, command, format string, args ...any) int {
	at := "mtls-auth"
	if command != "" {
		at += " " + command
	}
	fmt.Fprintf(stderr, "mtls-auth: %s\n\"%s -help\" says how it is used\n", fmt.Sprintf(format, args...), at)
	return exitUsage
}

func failure(stderr io.Writer, command string, err error) int {
	fmt.Fprintf(stderr, "mtls-auth: %s: %v\n", command, err)
	return exitNo
}

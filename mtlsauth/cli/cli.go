// Package cli is the program: its sub-commands and flags.
package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"mtls-auth/mtlsauth"
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
  mtls-auth demo [-serve]                     shows six requests with their answers, without Kong
  mtls-auth lua -out DIR                      writes the Lua plugin's files, for Kong's lua_package_path
  mtls-auth version                           prints the versions of the program, go-pdk and Go
  mtls-auth -help                             prints this, and the server's flags
`

// headerCertAuth is the name under which this program will be another plugin.
const headerCertAuth = "header-cert-auth"

// Run is the program with these arguments, args[0] its name as in os.Args. It
// returns the exit code: 0 fine, 1 the answer is no, 2 wrong use.
func Run(args []string, stdin *os.File, stdout, stderr io.Writer) int {
	// The base name as it was called, links not followed: Kong finds the plugin
	// by the name in its configuration.
	called, name := args[0], filepath.Base(args[0])
	args = args[1:]
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return serve(name, args, stdin, stdout, stderr)
	}
	switch args[0] {
	case "demo":
		return demo(args[1:], stdout, stderr)
	case "lua":
		return lua(called, name, args[1:], stdout, stderr)
	case "version":
		return version(args[1:], stdout, stderr)
	case "help":
		return help(stdout)
	}
	return wrongUse(stderr, "unknown command %q%s", args[0], didYouMean(args[0], []string{"demo", "lua", "version", "help"}, ""))
}

func version(args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		return wrongUse(stderr, "version takes no arguments, got %q", args)
	}
	pdk, goVersion := "unknown", "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		goVersion = info.GoVersion
		for _, dep := range info.Deps {
			if dep.Path == "github.com/Kong/go-pdk" {
				pdk = dep.Version
			}
		}
	}
	fmt.Fprintf(stdout, "mtls-auth %s\ngo-pdk %s\n%s\n", mtlsauth.Version, pdk, goVersion)
	return exitFine
}

// notThisPlugin refuses to be the plugin that this program is not yet.
func notThisPlugin(name string, stderr io.Writer) int {
	fmt.Fprintf(stderr, "mtls-auth: called as %s, a plugin that version %s does not have: install it under another name\n", name, mtlsauth.Version)
	return exitUsage
}

func wrongUse(stderr io.Writer, format string, args ...any) int {
	fmt.Fprintf(stderr, "mtls-auth: %s\n%s", fmt.Sprintf(format, args...), usage)
	return exitUsage
}

// didYouMean names the known word that is nearest to one that is not, if any
// is near.
func didYouMean(word string, known []string, prefix string) string {
	best, distance := "", len(word)/3+1
	for _, k := range known {
		if d := editDistance(word, k); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s%s?", prefix, best)
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

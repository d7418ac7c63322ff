package cli

import (
	"cmp"
	"fmt"
	"runtime/debug"

	"mtls-auth/mtlsauth"
)

// ranOn are the versions of Kong that docs/verified.md has runs of.
const ranOn = "3.4.2, 3.5.0, 3.6.1, 3.7.1, 3.8.1, 3.9.1, 3.9.3"

const versionHelp = `usage: mtls-auth version
Prints the versions of the program, its source, go-pdk and Go, and of the Kongs it was run on.
`

func version(c call) int {
	set := commandFlags("version")
	if code, done := parseCommand(c, set, versionHelp); done {
		return code
	}
	pdk, goVersion, commit, modified := "unknown", "unknown", "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		goVersion = info.GoVersion
		for _, dep := range info.Deps {
			if dep.Path == "github.com/Kong/go-pdk" {
				pdk = dep.Version
			}
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				commit = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				modified = ", modified"
			}
		}
	}
	fmt.Fprintf(c.stdout, "mtls-auth %s\ncommit %s%s\ngo-pdk %s\n%s\nrun on Kong %s\n",
		mtlsauth.Version, cmp.Or(commit, "unknown"), modified, pdk, goVersion, ranOn)
	return exitFine
}

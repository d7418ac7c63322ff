// Mtls-auth is client-certificate authentication for Kong Gateway: a plugin
// server that Kong starts and talks to over a Unix socket.
package main

import (
	"os"

	"mtls-auth/mtlsauth/cli"
)

func main() {
	os.Exit(cli.Run(os.Args, os.Stdin, os.Stdout, os.Stderr))
}

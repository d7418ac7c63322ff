// Command query prints what Kong's query command is to answer for mtls-auth.so:
// with the plugin's own schema, which has defaults and bounds, in place of the
// one that go-pluginserver makes of Go types.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"mtls-auth/mtlsauth/internal/plugin"
)

func main() {
	answer := struct {
		Protocol string
		Plugins  []plugin.Info
	}{"MsgPack:1", []plugin.Info{plugin.Describe("mtls-auth")}}
	if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Command query prints what Kong's query command is to answer for mtls-auth.so:
// with the plugin's own schema, which has defaults and bounds, in place of the
// one that go-pluginserver makes of Go types.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"mtls-auth/mtlsauth/internal/config"
)

func main() {
	answer, err := answer()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Stdout.Write(append(answer, '\n'))
}

func answer() ([]byte, error) {
	text, err := json.Marshal(struct {
		Protocol string
		Plugins  []config.Info
	}{"MsgPack:1", []config.Info{config.Describe("mtls-auth")}})
	if err != nil {
		return nil, err
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		return nil, err
	}
	undescribed(plain)
	return json.Marshal(plain)
}

// undescribed takes the descriptions out of a schema: Kong 2.x does not know that
// attribute and would refuse the schema.
func undescribed(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "description")
		for _, inner := range v {
			undescribed(inner)
		}
	case []any:
		for _, inner := range v {
			undescribed(inner)
		}
	}
}

// Package process runs a plugin server as Kong does: asks it for its plugin
// with the query command, starts it with nearly nothing in its environment,
// starts it again when it dies, and ends it with SIGTERM.
package process

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
)

// Info is what a plugin server says of itself (-dump).
type Info struct {
	Name       string
	Version    string
	Priority   int
	Phases     []string
	Schema     json.RawMessage
	SocketPath string
}

// version is what Kong takes for one: kong/db/dao/plugins.lua.
var version = regexp.MustCompile(`^\d+\.\d+\.\d+$`)

// Query runs the query command as Kong does at its start and at every reload:
// through sh -c, with the whole environment. Standard output must be the JSON
// and nothing else. There is no time limit but ctx's.
func Query(ctx context.Context, command string) (*Info, error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, failed := cmd.Output()
	info, err := decode(out)
	if err != nil {
		return nil, fmt.Errorf("query command: %w (%v: %s)", err, failed, &said)
	}
	return info, nil // however the command ended
}

func decode(out []byte) (*Info, error) {
	var dump struct {
		Protocol   string
		SocketPath string
		Plugins    []Info
	}
	d := json.NewDecoder(bytes.NewReader(out))
	if err := d.Decode(&dump); err != nil {
		return nil, fmt.Errorf("failed loading external plugins: failed decoding plugin info: %w", err)
	}
	// Kong takes the first plugin alone.
	if d.More() || dump.Protocol != "ProtoBuf:1" || len(dump.Plugins) != 1 || !version.MatchString(dump.Plugins[0].Version) {
		return nil, fmt.Errorf("plugin info must be one JSON value of protocol ProtoBuf:1 with one plugin, whose VERSION is x.y.z: %s", out)
	}
	p := dump.Plugins[0]
	p.SocketPath = dump.SocketPath
	return &p, nil
}

// Package process runs a plugin server as Kong does: asks it for its plugin
// with the query command, starts it with nearly nothing in its environment,
// starts it again when it dies, and ends it with SIGTERM.
package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
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
	out, err := exec.CommandContext(ctx, "sh", "-c", command).Output()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("query command: %w", ctx.Err())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, fmt.Errorf("query command: %w", err)
	}
	info, err := decode(out)
	if err != nil && exit != nil {
		return nil, fmt.Errorf("%w (the command ended with %s: %s)", err, exit, strings.TrimSpace(string(exit.Stderr)))
	}
	return info, err
}

func decode(out []byte) (*Info, error) {
	var dump struct {
		Protocol   string
		SocketPath string
		Plugins    []struct {
			Name     string
			Version  string
			Priority json.RawMessage
			Phases   []string
			Schema   json.RawMessage
		}
	}
	d := json.NewDecoder(bytes.NewReader(out))
	if err := d.Decode(&dump); err != nil {
		return nil, fmt.Errorf("failed loading external plugins: failed decoding plugin info: %w", err)
	}
	if d.More() {
		return nil, errors.New("failed loading external plugins: failed decoding plugin info: more than one JSON value on standard output")
	}
	if dump.Protocol != "ProtoBuf:1" {
		return nil, fmt.Errorf("plugin server speaks %q: the fake Kong knows ProtoBuf:1 alone", dump.Protocol)
	}
	if len(dump.Plugins) != 1 {
		return nil, fmt.Errorf("plugin server has %d plugins, and Kong takes the first alone: there must be exactly one", len(dump.Plugins))
	}
	p := dump.Plugins[0]
	if p.Name == "" {
		return nil, errors.New("plugin info: no Name")
	}
	if !version.MatchString(p.Version) {
		return nil, fmt.Errorf("plugin %q: VERSION %q must be of the form x.y.z", p.Name, p.Version)
	}
	var priority int
	if err := json.Unmarshal(p.Priority, &priority); err != nil {
		return nil, fmt.Errorf("plugin %q: PRIORITY %s must be an integer", p.Name, p.Priority)
	}
	return &Info{p.Name, p.Version, priority, p.Phases, p.Schema, dump.SocketPath}, nil
}

// Package server has the plugin servers of a benchmark, each to be run in a
// process of its own: ours, and those that it is measured against.
package server

import (
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"mtls-auth/mtlsauth/bench/role"
)

// CAID is the id of the first CA certificate of a benchmark.
const CAID = "cce8c384-721f-4f58-85dd-50834e3e733a"

// Roles are the servers by the names of their roles.
var Roles = map[string]role.Start{
	"ours":        role.Of(startOurs),
	"StartServer": role.Of(startGoPDK),
	"bytes":       role.Of(startBytes),
}

// Listening is what a part of this package answers to the command "socket".
const Listening = "socket"

// Socket returns the path at which the server in a process listens.
func Socket(p *role.Process) (string, error) {
	var path string
	return path, p.Do(Listening, nil, &path)
}

// listening is a part that listens and does nothing else that it is told.
type listening struct {
	socket string
	end    func() error
}

func (l *listening) Do(command string, _ json.RawMessage) (any, error) {
	if command != Listening {
		return nil, fmt.Errorf("no such command: %q", command)
	}
	return l.socket, nil
}

func (l *listening) Close() error {
	if l.end == nil {
		return nil
	}
	return l.end()
}

// awaitSocket waits until somebody listens at path. ended gives the error of a
// server that did not come so far; nil is one that does not tell.
func awaitSocket(path string, ended <-chan error) error {
	const tries, pause = 3000, 10 * time.Millisecond // half a minute, for a busy machine
	for range tries {
		// The file of a server before it may still be there.
		if c, err := net.Dial("unix", path); err == nil {
			return c.Close()
		}
		select {
		case err := <-ended:
			return fmt.Errorf("the server for %s has ended: %w", filepath.Base(path), err)
		case <-time.After(pause):
		}
	}
	return fmt.Errorf("nobody listens on %s", path)
}

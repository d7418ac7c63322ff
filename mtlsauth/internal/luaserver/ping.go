package luaserver

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"mtls-auth/mtlsauth/internal/config"
)

// Pong is what a server says of itself.
type Pong struct {
	Version   string // of the server
	PID       int
	LuaMode   bool   // the Lua plugin has started it
	Decisions uint64 // so far, of Lua mode
	Policies  int    // configurations that it knows, of Lua mode
}

// maxPong bounds the answer to a ping, in bytes.
const maxPong = 64 << 10

// Ping asks the server whose socket is at path, in whichever mode it serves, within a
// time. The error says in a user's words why no server decides there.
func Ping(path string, within time.Duration) (Pong, error) {
	c, err := net.DialTimeout("unix", path, within)
	if err != nil {
		return Pong{}, unreachable(path, err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(within))
	answer, err := askOnce(c, question{Op: "ping", Protocol: Protocol, Version: config.Version})
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Pong{}, fmt.Errorf("the server at %s takes connections but gives no answer within %v", path, within)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Pong{}, fmt.Errorf("the server at %s closes the connection: it answers processes of its own user and root alone, and this one is of user %d; or it is about to end", path, os.Geteuid())
	case err != nil:
		return Pong{}, fmt.Errorf("asking the server at %s: %w", path, err)
	}
	var p struct {
		pong
		Error string `json:"error"`
	}
	err = json.Unmarshal(answer, &p)
	switch {
	case err != nil:
		return Pong{}, fmt.Errorf("what listens at %s is not an mtls-auth server: %w", path, err)
	case p.Error != "":
		return Pong{}, fmt.Errorf("the server at %s: %s", path, p.Error)
	case p.PID == 0 || p.Version == "":
		return Pong{}, fmt.Errorf("what listens at %s is not an mtls-auth server: it answers %.100q", path, answer)
	case p.MaxDeciding > 0 && p.Deciding >= p.MaxDeciding:
		return Pong{}, fmt.Errorf("the server at %s (pid %d) is deciding %d requests, the most it does at once, and answers 500 to others", path, p.PID, p.Deciding)
	}
	return Pong{p.Version, p.PID, p.LuaMode, p.Decisions, p.Policies}, nil
}

// maxSocketPath is the longest path of a Unix socket (sockaddr_un, less the final NUL).
const maxSocketPath = 107

// unreachable says why the socket cannot be connected to.
func unreachable(path string, err error) error {
	switch {
	case len(path) > maxSocketPath:
		return fmt.Errorf("the path %s has %d bytes, more than the %d of a Unix socket: use a shorter Kong prefix", path, len(path), maxSocketPath)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no socket at %s: no server was started with this prefix (-kong-prefix)", path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no server listens on the socket at %s: it has ended", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("user %d must not use the socket at %s: run as the server's user, which is that of Kong's workers", os.Geteuid(), path)
	}
	return fmt.Errorf("connecting to %s: %w", path, err)
}

// askOnce sends a question and returns the first answer to it.
func askOnce(c net.Conn, q question) ([]byte, error) {
	payload, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	frame := append(binary.LittleEndian.AppendUint32(nil, uint32(len(payload))), payload...)
	if _, err := c.Write(frame); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n == 0 || n > maxPong {
		return nil, fmt.Errorf("an answer of %d bytes", n)
	}
	answer := make([]byte, n)
	_, err = io.ReadFull(c, answer)
	return answer, err
}

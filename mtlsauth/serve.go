package mtlsauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/Kong/go-pdk/server/kong_plugin_protocol"

	"mtls-auth/mtlsauth/internal/config"
	"mtls-auth/mtlsauth/internal/engine"
	"mtls-auth/mtlsauth/internal/flags"
	"mtls-auth/mtlsauth/internal/luaserver"
	"mtls-auth/mtlsauth/internal/metrics"
	"mtls-auth/mtlsauth/internal/pluginserver"
)

// ServerOptions are the flags of the plugin server.
type ServerOptions = flags.Options

// An OtherServerError says that another server answers on the socket.
type OtherServerError struct {
	Socket string
	PID    int
}

func (e *OtherServerError) Error() string {
	return fmt.Sprintf("a server (pid %d) answers on %s", e.PID, e.Socket)
}

// A UsageError is a wrong value of an option: the caller's mistake, not the
// machine's.
type UsageError = flags.UsageError

// Serve is the plugin server. It listens on the socket below the prefix and
// returns when it was asked to end, see [pluginserver.Server.Run].
func Serve(o ServerOptions, stdin *os.File, out io.Writer) error {
	// Kong's worker that dies takes the ends of our pipes with it: what is
	// printed then must not end the process before it has drained. Nor may a
	// reload that is asked for too early.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP)
	e, err := engine.Open(o, out)
	if err != nil {
		return err
	}
	path := socketPath(o.Name, o.Prefix)
	ids, err := pluginserver.OpenIDs(path + ".ids")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("-kong-prefix %q: must be Kong's prefix, a folder that exists: %w", o.Prefix, err)
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("-kong-prefix %q: %w: user %s must be able to write there, as Kong's workers do; %s", o.Prefix, err, userName(os.Geteuid()), ownerOf(o.Prefix))
	}
	if err != nil {
		return err
	}
	info, err := pluginInfoMessage(o.Name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m := metrics.New(e.State)
	e.OnExchange(m.Exchange)
	lua := luaserver.New(luaserver.Options{
		Engine:  e,
		Metrics: m,
		// A group- or world-accessible socket is an explicit choice: no check of the peer.
		AnyPeer: o.SocketMode&0o077 != 0,
		LuaMode: o.LuaMode,
	})
	server := pluginserver.New(pluginserver.Options{
		Plugin:     instances{e, &guard{prefix: o.Prefix, log: e.Background()}, &settings{prefix: o.Prefix, log: e.Background()}, m},
		Info:       info,
		Fault:      fault(e, m),
		IDs:        ids,
		HandleJSON: func(x *pluginserver.Exchange) error { return lua.Serve(x) },
		PIDFile:    filepath.Join(o.Prefix, "pids", "nginx.pid"),
		Log:        e.Background(),
	})
	for _, notice := range o.Notices {
		e.Background().Warn(notice)
	}
	other := pluginserver.Answering(path)
	if other != 0 && o.KeepOther {
		return &OtherServerError{path, other}
	}
	listener, err := pluginserver.Listen(path, o.SocketMode)
	if err != nil {
		return err
	}
	if other != 0 {
		e.Background().Info("took the socket over from a running server", "socket", path, "pid", other)
	}
	e.Background().Info("listening", "socket", path, "version", Version)

	if o.MetricsListen != "" {
		go m.Serve(ctx, o.MetricsListen, o.SocketMode, e.Background())
	}
	refreshed := e.Run(ctx)
	go lua.Run(ctx)
	err = server.Run(listener, stdin, func() {
		go func() {
			e.Reload()
			lua.Drop()
		}()
	})
	cancel()
	select {
	case <-refreshed:
	case <-time.After(time.Second): // a source that hangs does not delay the end
	}
	return err
}

func pluginInfoMessage(name string) (*kong_plugin_protocol.PluginInfo, error) {
	info := config.Describe(name)
	text, err := json.Marshal(info.Schema)
	if err != nil {
		return nil, fmt.Errorf("marshalling the schema: %w", err)
	}
	return &kong_plugin_protocol.PluginInfo{
		Name:     info.Name,
		Phases:   info.Phases,
		Version:  info.Version,
		Priority: int32(info.Priority),
		Schema:   string(text),
	}, nil
}

// dump is the answer to Kong's query command.
type dump struct {
	Protocol   string
	SocketPath string
	Plugins    []config.Info
}

// Dump returns the answer to Kong's query command for the plugin of this name
// whose socket lies below prefix: one line of JSON.
func Dump(name, prefix string) ([]byte, error) {
	out, err := json.Marshal(dump{
		Protocol:   "ProtoBuf:1",
		SocketPath: socketPath(name, prefix),
		Plugins:    []config.Info{config.Describe(name)},
	})
	return append(out, '\n'), err
}

func socketPath(name, prefix string) string {
	return filepath.Join(prefix, name+".socket")
}

// Pong is what a server says of itself.
type Pong = luaserver.Pong

// Ping asks the server of the plugin of this name below prefix, in whichever mode it
// serves. The error says why none decides there. It neither binds nor changes anything.
func Ping(name, prefix string, within time.Duration) (Pong, error) {
	return PingSocket(socketPath(name, prefix), within)
}

// PingSocket is Ping at a socket's path.
func PingSocket(path string, within time.Duration) (Pong, error) { return luaserver.Ping(path, within) }

// ownerOf says in words who owns a folder and what its mode is.
func ownerOf(dir string) string {
	info, err := os.Stat(dir)
	if err != nil {
		return err.Error()
	}
	owner := "unknown"
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		owner = userName(int(stat.Uid))
	}
	return fmt.Sprintf("it belongs to %s, with mode %04o", owner, info.Mode().Perm())
}

// userName is a user's name, or the id where that has none.
func userName(id int) string {
	text := strconv.Itoa(id)
	if u, err := user.LookupId(text); err == nil {
		return u.Username
	}
	return text
}

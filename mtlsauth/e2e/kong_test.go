package e2e

import (
	"context"
	"os"
	"testing"

	lua "mtls-auth/kong"
	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/fakekong"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// kong is the fake Kong or, where the environment names one, a real Kong. The cases of
// this package are written once, for both; where the two differ, the fake is wrong.
type kong interface {
	URL() string
	URLTLS() string
	AdminURL() string
	RootPEM() []byte
	Log() *errlog.Log
	Access() []anykong.Record
	Configure(text []byte) error
	Reload(ctx context.Context) error
	Process() kongProcess
	Close()
}

// kongProcess is the plugin server's process.
type kongProcess interface {
	PID() int
	Kill()
	Terminate()
}

// A mode is the way by which requests reach the server.
type mode string

const (
	luaMode          mode = "lua"           // Kong runs the Lua plugin
	pluginServerMode mode = "plugin-server" // Kong's protocol for plugin servers
)

// modeVariable names the mode that this process runs the cases in. Where it is unset,
// it is Lua mode, and a process that this one starts runs them in the other.
const modeVariable = "MTLS_AUTH_MODE"

func chosenMode(t testing.TB) mode {
	switch m := mode(os.Getenv(modeVariable)); m {
	case "":
		return luaMode
	case luaMode, pluginServerMode:
		return m
	default:
		t.Fatalf("%s=%s: must be %s or %s", modeVariable, m, luaMode, pluginServerMode)
		return ""
	}
}

func startKong(ctx context.Context, o realkong.Options, m mode) (kong, error) {
	if m == luaMode {
		o.Config = withoutHandshake(o.Config)
		o.Plugins = append(o.Plugins, lua.HeaderName)
	}
	if o.Command = os.Getenv(realkong.Variable); o.Command == "" {
		g, err := fakekong.Start(ctx, o.Options)
		return fake{g, m}, err
	}
	o.NoAdmin = o.NoAdmin || os.Getenv(realkong.AdminVariable) == "off"
	k, err := realkong.Start(ctx, o)
	return real{k, m}, err
}

type fake struct {
	*fakekong.Kong
	mode mode
}

func (f fake) Process() kongProcess { return f.Kong.Process() }

func (f fake) Configure(text []byte) error {
	if f.mode == luaMode {
		text = withoutHandshake(text)
	}
	return f.Kong.Configure(text)
}

type real struct {
	*realkong.Kong
	mode mode
}

func (r real) Process() kongProcess { return r.Kong.Process() }

func (r real) Configure(text []byte) error {
	if r.mode == luaMode {
		text = withoutHandshake(text)
	}
	return r.Kong.Configure(text)
}

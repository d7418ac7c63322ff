package e2e

import (
	"context"
	"os"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/fakekong"
	"mtls-auth/mtlsauth/internal/testing/fakekong/errlog"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// kong is a gateway: the one that stands in for Kong or, where the environment
// names one, a real Kong. The cases of this package are written once, for both;
// where the two differ, the stand-in is wrong.
type kong interface {
	URL() string
	URLTLS() string
	AdminURL() string
	RootPEM() []byte
	Log() *errlog.Log
	Access() []fakekong.Record
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

// A door is the way by which requests reach the plugin.
type door int

const (
	pluginProtocol door = iota // Kong's protocol for plugin servers
	native                     // the Lua plugin in Kong's own process
)

// doorVariable, set to native, has a real Kong run the cases through the native
// door.
const doorVariable = "MTLS_AUTH_DOOR"

func chosenDoor(t testing.TB) door {
	switch name := os.Getenv(doorVariable); {
	case name == "":
		return pluginProtocol
	case name == "native" && os.Getenv(realkong.Variable) != "":
		return native
	default:
		t.Fatalf("%s=%s: native is allowed, with a real Kong in %s", doorVariable, name, realkong.Variable)
		return 0
	}
}

func startKong(ctx context.Context, o realkong.Options, d door) (kong, error) {
	if o.Command = os.Getenv(realkong.Variable); o.Command == "" {
		g, err := fakekong.Start(ctx, o.Options)
		return standIn{g}, err
	}
	o.NoAdmin = os.Getenv(realkong.AdminVariable) == "off"
	if d == native {
		o.Config = withoutHandshake(o.Config)
	}
	k, err := realkong.Start(ctx, o)
	return real{k, d}, err
}

type standIn struct{ *fakekong.Gateway }

func (s standIn) Process() kongProcess { return s.Gateway.Process() }

type real struct {
	*realkong.Kong
	door door
}

func (r real) Process() kongProcess { return r.Kong.Process() }

func (r real) Configure(text []byte) error {
	if r.door == native {
		text = withoutHandshake(text)
	}
	return r.Kong.Configure(text)
}

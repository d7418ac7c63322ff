package e2e

import (
	"context"
	"os"

	"mtls-auth/mtlsauth/internal/gateway"
	"mtls-auth/mtlsauth/internal/gateway/errlog"
	"mtls-auth/mtlsauth/internal/realkong"
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
	Access() []gateway.Record
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

func startKong(ctx context.Context, o gateway.Options) (kong, error) {
	if command := os.Getenv(realkong.Variable); command != "" {
		k, err := realkong.Start(ctx, realkong.Options{
			Options: o, Command: command, NoAdmin: os.Getenv(realkong.AdminVariable) == "off",
		})
		return real{k}, err
	}
	g, err := gateway.Start(ctx, o)
	return standIn{g}, err
}

type standIn struct{ *gateway.Gateway }

func (s standIn) Process() kongProcess { return s.Gateway.Process() }

type real struct{ *realkong.Kong }

func (r real) Process() kongProcess { return r.Kong.Process() }

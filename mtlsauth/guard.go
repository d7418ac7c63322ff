package mtlsauth

import (
	"cmp"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	pdk "github.com/Kong/go-pdk"

	"mtls-auth/mtlsauth/internal/pluginserver"
)

// passedKey is the key in kong.ctx.shared of a request that may go on: the certificate
// that was judged, as nginx's variable has it, or noLeaf. The guard in Kong
// (goplugin/guard.lua) refuses a request without it.
const (
	passedKey = "mtls_auth_passed"
	noLeaf    = "none"
)

// guard tells whether this Kong needs the guard: before 3.8 a request goes on about which
// a plugin server gave no answer (kong/runloop/plugin_servers/pb_rpc.lua, seen on 3.4.2,
// 3.6.1 and 3.7.1).
type guard struct {
	prefix string
	log    *slog.Logger

	once   sync.Once
	needed atomic.Bool
	old    atomic.Bool // it is known to be older than 3.8
}

// detect finds out, when Kong has started its first instance. Since 3.8 Kong has a folder
// for its own sockets in its prefix.
func (g *guard) detect() {
	g.once.Do(func() {
		if _, err := os.Stat(filepath.Join(g.prefix, "sockets")); err == nil {
			return
		}
		g.needed.Store(true)
		if _, err := os.Stat(filepath.Join(g.prefix, ".kong_env")); err != nil {
			return // it is not Kong's prefix: which Kong this is cannot be told
		}
		g.old.Store(true)
		g.log.Warn("this Kong is older than 3.8 and lets requests pass while no plugin server answers: " +
			"plugin-server mode must not be used there without the guard (docs/plugin-server.md)")
	})
}

// markPassed tells the guard that the request may go on with this certificate.
func markPassed(e *pluginserver.Event, leaf string) error {
	calls, err := pluginserver.Record(func(kong *pdk.PDK) error {
		return kong.Ctx.SetShared(passedKey, cmp.Or(leaf, noLeaf))
	})
	if err != nil {
		return err
	}
	e.Tell(calls)
	return nil
}

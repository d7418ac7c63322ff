// Package fakekong is a stand-in for Kong on a developer's machine: for the
// demo, the tests and the benchmarks. It is not for production, and says so: in
// the Via header of every answer (1.1 kong-stand-in) and in the first line of
// its log.
//
// It does what an open-source Kong 3.9 without a database does around a plugin
// server: a TLS and a plain listener, routes, services, consumers and CA
// certificates from a declarative file, plugin configurations checked by the
// plugin's own schema, the plugin's process and protocol, an Admin API to read
// from. What it does is what was seen of Kong 3.9.1, or read in its source; what
// it was not told it does not know, and what it does not have it refuses by
// name rather than ignore.
//
// Its rooms: [mtls-auth/mtlsauth/internal/testing/fakekong/rpc] speaks the plugin
// protocol, .../process runs the plugin server, .../schema checks schemas and
// configurations, .../errlog is the log. In this one: declarative.go,
// fields.go, entities.go and plugins.go read the configuration, state.go puts it
// in force, admin.go serves it, router.go finds a route, builtin.go has Kong's
// own plugins (keyauth.go and acl.go two of them), front.go and nginx.go are what nginx is in Kong, request.go walks
// a request through the plugins, proxy.go to the upstream.
//
// What differs from Kong besides: certificates that crypto/tls cannot parse end
// the handshake; of the client's certificate only the leaf is judged for
// $ssl_client_verify, and only for what was seen in Kong; $ssl_session_id is
// unset; a new configuration is in force when POST /config answers, where Kong's
// workers take some milliseconds more. docs/verified.md says which cases were run
// on both.
package fakekong

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/testing/fakekong/errlog"
	"mtls-auth/mtlsauth/internal/testing/fakekong/luakong"
	"mtls-auth/mtlsauth/internal/testing/fakekong/process"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// Options says what the stand-in is to be. Zero values are Kong's defaults
// where Kong has one.
type Options struct {
	Prefix            string // directory for .kong_env and the plugin's socket; required, made if absent
	Config            []byte // the declarative configuration, YAML or JSON
	DeclarativeConfig string // a file to read it from, where Config is empty

	// LuaPath is lua_package_path = LuaPath/?.lua;;. The plugins whose code is there
	// are enabled, and go before the plugin server's of the same name.
	LuaPath string

	// The plugin server: none where QueryCommand is empty. Without StartCommand
	// somebody else runs it.
	QueryCommand string // pluginserver_*_query_cmd
	StartCommand string // pluginserver_*_start_cmd
	Socket       string // pluginserver_*_socket; Prefix/NAME.socket

	Listen      string // plain HTTP; a loopback address or off; 127.0.0.1:0
	ListenTLS   string // HTTPS likewise; 127.0.0.1:0
	AdminListen string // Admin API, plain HTTP likewise; 127.0.0.1:0

	SSLVerifyClient string // "" or optional_no_ca (nginx_proxy_ssl_verify_client)
	Workers         int    // 1

	LogLevel  string    // notice
	LogOutput io.Writer // nil: the log is kept in memory only
	AccessLog io.Writer // one JSON record a request; nil: the last are kept in memory only

	ReadTimeout  time.Duration // lua_socket_read_timeout; 60 s
	ReloadGrace  time.Duration // from a reload to the SIGTERM of the old process; 10 s
	StopTimeout  time.Duration // how long Close waits for the plugin's process; 5 s
	ClaimTimeout time.Duration // how long requests wait for another's StartInstance; 10 s
	NullValue    int32         // see rpc.Options
}

// Gateway is a running stand-in. Its methods may be called at the same time.
type Gateway struct {
	opts   Options
	log    *errlog.Log
	access *accessLog
	seq    atomic.Int64
	shared *luakong.Shared // memory of all workers

	info   *process.Info // nil without a plugin server
	socket string

	reload  sync.Mutex // held while state is being replaced
	state   atomic.Pointer[state]
	current *process.Server
	retired sync.WaitGroup

	plain, tls, admin net.Listener
	servers           []*http.Server
	front             *front
	ctx               context.Context
	cancel            context.CancelFunc
	closed            sync.Once
}

// Start starts a stand-in. It returns when the listeners take connections; the
// plugin server's process may then still be on its way, as with Kong. ctx bounds
// the query command, which Kong would wait for without end. Errors are those
// that keep Kong from starting: a query command that answers wrongly, a schema
// or a configuration that is refused.
func Start(ctx context.Context, o Options) (*Gateway, error) {
	level, err := errlog.ParseLevel(o.LogLevel)
	if err != nil {
		return nil, err
	}
	if o.SSLVerifyClient != "" && o.SSLVerifyClient != "optional_no_ca" {
		return nil, fmt.Errorf("ssl_verify_client %q: the stand-in knows optional_no_ca alone", o.SSLVerifyClient)
	}
	if o.Prefix == "" {
		return nil, errors.New("no prefix")
	}
	if o.Prefix, err = filepath.Abs(o.Prefix); err != nil {
		return nil, fmt.Errorf("prefix: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(o.Prefix, "sockets"), 0o755); err != nil {
		return nil, fmt.Errorf("prefix: %w", err)
	}
	g := &Gateway{opts: o, log: errlog.New(level, o.LogOutput), access: &accessLog{out: o.AccessLog}, shared: luakong.NewShared()}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.log.Printf(errlog.Notice, "kong-stand-in: a stand-in for Kong on a developer's machine, NOT FOR PRODUCTION")
	if err := g.start(ctx); err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

func (g *Gateway) start(ctx context.Context) error {
	text := g.opts.Config
	if len(text) == 0 && g.opts.DeclarativeConfig != "" {
		var err error
		if text, err = os.ReadFile(g.opts.DeclarativeConfig); err != nil {
			return fmt.Errorf("reading declarative config: %w", err)
		}
	}
	if err := g.query(ctx); err != nil {
		return err
	}
	st, err := g.newState(text)
	if err != nil {
		return fmt.Errorf("error parsing declarative config file %s:\n%w", g.opts.DeclarativeConfig, err)
	}
	g.state.Store(st)
	if err := g.listen(); err != nil {
		return err
	}
	if err := st.workers.begin(st.config); err != nil {
		return err
	}
	if err := g.writeEnv(); err != nil {
		return err
	}
	switch {
	case g.info == nil:
	case g.opts.StartCommand == "":
		g.log.Printf(errlog.Warn, "[kong] start_command undefined for pluginserver %s; assuming external process management", g.info.Name)
	default:
		if g.current, err = process.Start(g.info.Name, g.opts.StartCommand, g.log); err != nil {
			return err
		}
	}
	g.serve()
	return nil
}

// Log returns the error log.
func (g *Gateway) Log() *errlog.Log { return g.log }

// Access returns the access log's records, oldest first, of the last requests.
func (g *Gateway) Access() []Record { return g.access.list() }

// URL returns the plain listener's address, "" when it is off.
func (g *Gateway) URL() string { return listenURL("http", g.plain) }

// URLTLS returns the TLS listener's address, "" when it is off. Its certificate
// is made in memory; RootPEM has it.
func (g *Gateway) URLTLS() string { return listenURL("https", g.tls) }

// AdminURL returns the Admin API's address, "" when it is off.
func (g *Gateway) AdminURL() string { return listenURL("http", g.admin) }

// RootPEM returns the TLS listener's certificate, for clients to trust.
func (g *Gateway) RootPEM() []byte { return g.front.certPEM }

// Client returns the plugin server as the current workers see it, nil without
// one.
func (g *Gateway) Client() *rpc.Client { return g.state.Load().client }

// Process returns the plugin server's process, nil when Kong does not run it.
func (g *Gateway) Process() *process.Server {
	g.reload.Lock()
	defer g.reload.Unlock()
	return g.current
}

func listenURL(scheme string, l net.Listener) string {
	if l == nil {
		return ""
	}
	return scheme + "://" + l.Addr().String()
}

func or(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// Close stops the listeners, lets running requests end for a moment, and ends
// the plugin's process with SIGTERM, as kong stop does.
func (g *Gateway) Close() {
	g.closed.Do(func() {
		if st := g.state.Load(); st != nil && st.client != nil {
			st.client.Close()
		}
		defer func() {
			if st := g.state.Load(); st != nil {
				st.workers.close()
			}
		}()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		for _, s := range g.servers {
			if s.Shutdown(ctx) != nil {
				s.Close()
			}
		}
		for _, l := range []net.Listener{g.plain, g.tls, g.admin} {
			if l != nil {
				l.Close()
			}
		}
		g.cancel()
		g.retired.Wait()
		if g.current != nil {
			g.current.Stop(or(g.opts.StopTimeout, 5*time.Second))
		}
	})
}

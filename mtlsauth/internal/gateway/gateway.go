// Package gateway is a stand-in for Kong on a developer's machine: for the
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
// Its rooms: [mtls-auth/mtlsauth/internal/gateway/rpc] speaks the plugin
// protocol, .../process runs the plugin server, .../schema checks schemas and
// configurations, .../errlog is the log. In this one: declarative.go and
// entities.go read the configuration, admin.go serves it, router.go finds a
// route, builtin.go has Kong's own plugins, front.go and nginx.go are what nginx
// is in Kong, request.go walks a request through the plugins, proxy.go to the
// upstream.
//
// What differs from Kong besides: certificates that crypto/tls cannot parse end
// the handshake; of the client's certificate only the leaf is judged for
// $ssl_client_verify, and only for what was seen in Kong; $ssl_session_id is
// unset.
package gateway

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

	"mtls-auth/mtlsauth/internal/gateway/errlog"
	"mtls-auth/mtlsauth/internal/gateway/process"
	"mtls-auth/mtlsauth/internal/gateway/rpc"
	"mtls-auth/mtlsauth/internal/gateway/schema"
)

// Options says what the stand-in is to be. Zero values are Kong's defaults
// where Kong has one.
type Options struct {
	Prefix            string // directory for .kong_env and the plugin's socket; required, made if absent
	Config            []byte // the declarative configuration, YAML or JSON
	DeclarativeConfig string // a file to read it from, where Config is empty

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

// state is what a configuration and a generation of workers amount to; a
// request keeps the one that it began with.
type state struct {
	config *config
	client *rpc.Client // nil without a plugin server
	schema *schema.Schema
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
	if err := os.MkdirAll(o.Prefix, 0o755); err != nil {
		return nil, fmt.Errorf("prefix: %w", err)
	}
	g := &Gateway{opts: o, log: errlog.New(level, o.LogOutput), access: &accessLog{out: o.AccessLog}}
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

// query asks the plugin server for its plugin and takes over what it says.
func (g *Gateway) query(ctx context.Context) error {
	if g.opts.QueryCommand == "" {
		return nil
	}
	g.log.Printf(errlog.Notice, "[kong] process.lua:96 [pluginserver] loading external plugins info")
	info, err := process.Query(ctx, g.opts.QueryCommand)
	if err != nil {
		return err
	}
	if _, ours := builtins[info.Name]; ours {
		return fmt.Errorf("plugin server's plugin is called %s, as one of the stand-in's own", info.Name)
	}
	for _, phase := range info.Phases {
		if phase != "access" {
			return fmt.Errorf("plugin %s has a phase %s: the stand-in runs access alone", info.Name, phase)
		}
	}
	if _, err := schema.Parse(info.Name, info.Schema); err != nil {
		return fmt.Errorf("error loading plugin schemas: on plugin '%s': %w", info.Name, err)
	}
	g.info = info
	if g.socket = g.opts.Socket; g.socket == "" {
		g.socket = filepath.Join(g.opts.Prefix, info.Name+".socket")
	}
	if info.SocketPath != g.socket {
		g.log.Printf(errlog.Warn, "plugin server says that it listens on %s; connections go to %s", info.SocketPath, g.socket)
	}
	return nil
}

// newState makes the first state of new workers from a configuration's text.
func (g *Gateway) newState(text []byte) (*state, error) {
	st := &state{}
	if g.info != nil {
		var err error
		if st.schema, err = schema.Parse(g.info.Name, g.info.Schema); err != nil {
			return nil, err
		}
		st.client = rpc.New(rpc.Options{
			Socket: g.socket, Plugin: g.info.Name, Workers: g.opts.Workers, ReadTimeout: g.opts.ReadTimeout,
			ClaimTimeout: g.opts.ClaimTimeout, NullValue: g.opts.NullValue, Consumers: g, Log: g.log, Seq: &g.seq,
		})
	}
	return st, st.load(text, g.info)
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

// Configure replaces the configuration, as POST /config does: at the next
// request of each worker the plugin gets StartInstance for the new and
// CloseInstance for the old one, also when nothing has changed. The old
// configuration stays in force when the new one is refused.
func (g *Gateway) Configure(text []byte) error {
	g.reload.Lock()
	defer g.reload.Unlock()
	old := g.state.Load()
	st := &state{client: old.client, schema: old.schema}
	if err := st.load(text, g.info); err != nil {
		return err
	}
	g.state.Store(st)
	return nil
}

// Reload is kong reload: the plugin is queried again, a new process is started
// at once, new requests go to new workers, which know no instance, running ones
// end in the old; the old process gets SIGTERM after the grace. An error leaves
// all as it was.
func (g *Gateway) Reload(ctx context.Context) error {
	g.reload.Lock()
	defer g.reload.Unlock()
	old := g.state.Load()
	if err := g.query(ctx); err != nil {
		return err
	}
	text := old.config.text
	if len(g.opts.Config) == 0 && g.opts.DeclarativeConfig != "" {
		var err error
		if text, err = os.ReadFile(g.opts.DeclarativeConfig); err != nil {
			return fmt.Errorf("reading declarative config: %w", err)
		}
	}
	st, err := g.newState(text)
	if err != nil {
		return err
	}
	if process_ := g.current; process_ != nil {
		if g.current, err = process.Start(g.info.Name, g.opts.StartCommand, g.log); err != nil {
			g.current = process_
			return err
		}
		process_.Retire()
		g.retired.Go(func() {
			select {
			case <-time.After(or(g.opts.ReloadGrace, 10*time.Second)):
			case <-g.ctx.Done():
			}
			process_.Stop(or(g.opts.StopTimeout, 5*time.Second))
			if old.client != nil {
				old.client.Close()
			}
		})
	}
	g.state.Store(st)
	return nil
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

// Package fakekong is a fake Kong for the demo, the tests and the benchmarks. It is not for production, and says so: in
// the Via header of every answer (1.1 fakekong) and in the first line of
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
// Its packages: rpc speaks the plugin protocol, luakong runs Lua plugins, process runs the
// plugin server, schema fills in configurations.
//
// What differs from Kong besides: certificates that crypto/tls cannot parse end
// the handshake; of the client's certificate only the leaf is judged for
// $ssl_client_verify, and only for what was seen in Kong; a new configuration is in force
// when Configure returns, where Kong's workers take some milliseconds more.
// docs/verified.md says which cases were run on both.
package fakekong

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/fakekong/luakong"
	"mtls-auth/mtlsauth/internal/testing/fakekong/process"
)

// Kong is a running fake Kong. Its methods may be called at the same time.
type Kong struct {
	opts   anykong.Options
	log    *errlog.Log
	seq    atomic.Int64
	shared *luakong.Shared // memory of all workers

	info   *process.Info // nil without a plugin server
	socket string

	reload  sync.Mutex // held while state is being replaced
	state   atomic.Pointer[state]
	current *process.Server
	retired sync.WaitGroup

	recorded sync.Mutex // held while records is used
	records  []anykong.Record

	plain, tls, admin net.Listener
	servers           []*http.Server
	front             *front
	ctx               context.Context
	cancel            context.CancelFunc
	closed            sync.Once
}

// Start starts a fake Kong. It returns when the listeners take connections; the
// plugin server's process may then still be on its way, as with Kong. ctx bounds
// the query command, which Kong would wait for without end. Errors are those
// that keep Kong from starting: a query command that answers wrongly, a schema
// or a configuration that is refused.
func Start(ctx context.Context, o anykong.Options) (*Kong, error) {
	level, err := errlog.ParseLevel(o.LogLevel)
	if err != nil {
		return nil, err
	}
	if o.SSLVerifyClient != "" && o.SSLVerifyClient != "optional_no_ca" {
		return nil, fmt.Errorf("ssl_verify_client %q: the fake Kong knows optional_no_ca alone", o.SSLVerifyClient)
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
	k := &Kong{opts: o, log: errlog.New(level, o.LogOutput), shared: luakong.NewShared()}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	k.log.Printf(errlog.Notice, "fakekong: a fake Kong for tests and the demo, NOT FOR PRODUCTION")
	if err := k.start(ctx); err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

func (k *Kong) start(ctx context.Context) error {
	if err := k.query(ctx); err != nil {
		return err
	}
	st, err := k.newState(k.opts.Config)
	if err != nil {
		return fmt.Errorf("error parsing declarative config: %w", err)
	}
	k.state.Store(st)
	if err := k.listen(); err != nil {
		return err
	}
	if err := st.workers.begin(st.config); err != nil {
		return err
	}
	if err := k.writeEnv(); err != nil {
		return err
	}
	switch {
	case k.info == nil:
	case k.opts.StartCommand == "":
		k.log.Printf(errlog.Warn, "[kong] start_command undefined for pluginserver %s; assuming external process management", k.info.Name)
	default:
		if k.current, err = process.Start(k.info.Name, k.opts.StartCommand, k.log); err != nil {
			return err
		}
	}
	k.serve()
	return nil
}

// Log returns the error log.
func (k *Kong) Log() *errlog.Log { return k.log }

// Access returns the access log's records, oldest first, of the last requests.
func (k *Kong) Access() []anykong.Record {
	k.recorded.Lock()
	defer k.recorded.Unlock()
	return slices.Clone(k.records)
}

// URL returns the plain listener's address, "" when it is off.
func (k *Kong) URL() string { return listenURL("http", k.plain) }

// URLTLS returns the TLS listener's address, "" when it is off. Its certificate
// is made in memory; RootPEM has it.
func (k *Kong) URLTLS() string { return listenURL("https", k.tls) }

// AdminURL returns the Admin API's address, "" when it is off.
func (k *Kong) AdminURL() string { return listenURL("http", k.admin) }

// RootPEM returns the TLS listener's certificate, for clients to trust.
func (k *Kong) RootPEM() []byte { return k.front.certPEM }

// Process returns the plugin server's process, nil when Kong does not run it.
func (k *Kong) Process() *process.Server {
	k.reload.Lock()
	defer k.reload.Unlock()
	return k.current
}

func listenURL(scheme string, l net.Listener) string {
	if l == nil {
		return ""
	}
	return scheme + "://" + l.Addr().String()
}

// stopTimeout is how long the plugin's process may take to end.
const stopTimeout = 5 * time.Second

// Close stops the listeners, lets running requests end for a moment, and ends
// the plugin's process with SIGTERM, as kong stop does.
func (k *Kong) Close() {
	k.closed.Do(func() {
		if st := k.state.Load(); st != nil && st.client != nil {
			st.client.Close()
		}
		defer func() {
			if st := k.state.Load(); st != nil {
				st.workers.close()
			}
		}()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		for _, s := range k.servers {
			if s.Shutdown(ctx) != nil {
				s.Close()
			}
		}
		for _, l := range []net.Listener{k.plain, k.tls, k.admin} {
			if l != nil {
				l.Close()
			}
		}
		k.cancel()
		k.retired.Wait()
		if k.current != nil {
			k.current.Stop(stopTimeout)
		}
	})
}

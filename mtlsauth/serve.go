package mtlsauth

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/Kong/go-pdk/server/kong_plugin_protocol"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/cacert"
	"mtls-auth/mtlsauth/internal/pluginserver"
)

// ServerOptions are the flags of the plugin server.
type ServerOptions struct {
	Name       string // the plugin's
	Prefix     string // Kong's
	SocketMode fs.FileMode
	MinRSABits int

	// Where CA certificates are looked for; see the flags of these names.
	CADir             string
	DeclarativeConfig string
	AdminURL          string
	AdminAllowHTTP    bool
	AdminTokenFile    string
	AdminCAFile       string
	AdminCertFile     string
	AdminKeyFile      string
	Refresh           time.Duration

	Credentials string // file of manual mappings

	// Where certificate status is read from and kept, and what may be visited
	// for it; see the flags of these names.
	CRLDir      string
	StateDir    string
	MaxCRLSize  int64
	DenyPrivate bool

	LogLevel slog.Level
	LogJSON  bool
}

// A UsageError is a wrong value of an option: the caller's mistake, not the
// machine's.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Serve is the plugin server. It listens on the socket below the prefix and
// returns when it was asked to end, see [pluginserver.Server.Run].
func Serve(o ServerOptions, stdin *os.File, out io.Writer) error {
	// Kong's worker that dies takes the ends of our pipes with it: what is
	// printed then must not end the process before it has drained. And nobody
	// who asks for a reload too early means the end.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP)
	log := newKongLog(o.Name, o.LogLevel, printed(o, out))
	sources, err := cacert.Open(cacert.Config{
		Prefix:            o.Prefix,
		CADir:             o.CADir,
		DeclarativeConfig: o.DeclarativeConfig,
		AdminURL:          o.AdminURL,
		AdminAllowHTTP:    o.AdminAllowHTTP,
		AdminTokenFile:    o.AdminTokenFile,
		AdminCAFile:       o.AdminCAFile,
		AdminCertFile:     o.AdminCertFile,
		AdminKeyFile:      o.AdminKeyFile,
	}, log.background)
	if err != nil {
		return &UsageError{err}
	}
	store := cacert.NewStore(cacert.Options{Sources: sources, Refresh: o.Refresh, Log: log.background})
	// Nothing that may take long, such as reading certificates or credentials,
	// comes before the listener: until then Kong answers requests with 500.
	files, first := credentialsFiles(o), newFirstReading(time.Now())
	memory := &memoryGuard{limit: limitMemory()}
	status, err := openStatus(o, memory.limit, log.background)
	if err != nil {
		return err
	}
	plugin := newPlugin(pluginOptions{store: store, files: files, first: first, status: status, cold: authn.NewCold(memory.isFull), log: log, minRSABits: o.MinRSABits, memory: memory.limit})

	path := socketPath(o.Name, o.Prefix)
	ids, err := pluginserver.OpenIDs(path + ".ids")
	if err != nil {
		return err
	}
	info, err := pluginInfoMessage(o.Name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	server := pluginserver.New(pluginserver.Options{
		Plugin: plugin,
		Info:   info,
		Fault:  log.fault,
		IDs:    ids,
		Log:    log.background,
	})
	listener, err := pluginserver.Listen(path, o.SocketMode)
	if err != nil {
		return err
	}
	log.background.Info("listening", "socket", path, "version", Version)

	refreshed := make(chan struct{})
	go func() {
		defer close(refreshed)
		store.Run(ctx)
	}()
	status.run(ctx)
	go refreshCredentials(ctx, files, first, o.Refresh, log.background)
	err = server.Run(listener, stdin, func() { go plugin.reload(ctx) }) // which a file may hold up
	cancel()
	select {
	case <-refreshed:
	case <-time.After(time.Second): // a source that hangs holds up nobody's end
	}
	return err
}

// printed is the handler for what the process prints, which Kong logs at info.
func printed(o ServerOptions, out io.Writer) slog.Handler {
	options := &slog.HandlerOptions{Level: o.LogLevel}
	if o.LogJSON {
		return slog.NewJSONHandler(out, options)
	}
	return slog.NewTextHandler(out, options)
}

func pluginInfoMessage(name string) (*kong_plugin_protocol.PluginInfo, error) {
	info := describe(name)
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

package engine

import (
	"context"
	"io"
	"log/slog"
	"sync"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/config"
	"mtls-auth/mtlsauth/internal/flags"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/konglog"
)

// Open makes an engine; what the process prints goes to out. A wrong option is a
// [flags.UsageError]. Nothing that may take long is done here, such as reading
// certificates or credentials: until the engine is open Kong answers requests with 500.
func Open(o flags.Options, out io.Writer) (*Engine, error) {
	log := konglog.New(o.Name, o.LogLevel, printed(o, out))
	sourcesOf := kongdata.Config{
		Plugin:            o.Name,
		Prefix:            o.Prefix,
		CADir:             o.CADir,
		DeclarativeConfig: o.DeclarativeConfig,
		Credentials:       o.Credentials,
		AdminURL:          o.AdminURL,
		AdminAllowHTTP:    o.AdminAllowHTTP,
		AdminTokenFile:    o.AdminTokenFile,
		AdminCAFile:       o.AdminCAFile,
		AdminCertFile:     o.AdminCertFile,
		AdminKeyFile:      o.AdminKeyFile,
	}
	var warnings []func()
	sourcesOf.Later = func(warn func()) { warnings = append(warnings, warn) }
	var sources []kongdata.Source
	if !o.LuaMode {
		var err error
		if sources, err = kongdata.Open(sourcesOf, log.Sources.Logger); err != nil {
			return nil, &flags.UsageError{Err: err}
		}
	}
	memory := &memoryGuard{limit: limitMemory()}
	status, err := openStatus(o, memory.limit, log.Background.Logger)
	if err != nil {
		return nil, err
	}
	store := kongdata.NewStore(kongdata.Options{Sources: sources, Refresh: o.Refresh, Log: log.Sources.Logger})
	e := newEngine(log, memory.limit, store)
	e.limiter, e.status, e.minRSABits = authn.NewLimiter(memory.isFull), status, o.MinRSABits
	e.luaMode, e.plugin = o.LuaMode, config.PluginOf(o.Name)
	e.sourcesUsed = sync.OnceFunc(func() {
		for _, warn := range warnings {
			warn()
		}
	})
	return e, nil
}

// Refusing makes an engine that refuses every configuration: for a process that cannot end
// when its options cannot be used. It fails closed, and must not be run.
func Refusing(o flags.Options, why error, out io.Writer) *Engine {
	e := newEngine(konglog.New(o.Name, o.LogLevel, printed(o, out)), minMemory, nil)
	e.refused = why
	return e
}

// Run starts what runs in the background, until ctx ends. The channel that it
// returns is closed when no source of CA certificates is read any more.
func (e *Engine) Run(ctx context.Context) (ended <-chan struct{}) {
	refreshed := make(chan struct{})
	go func() {
		defer close(refreshed)
		e.store.Run(ctx)
	}()
	e.status.run(ctx)
	return refreshed
}

// Reload has all sources read again and forgets consumer lookups, with what was
// decided by them (SIGHUP).
func (e *Engine) Reload() {
	e.store.Reload()
	e.lookups.Forget()
	e.consumers.Forget()
	e.status.reload()
}

// printed is the handler for what the process prints, which Kong logs at info.
func printed(o flags.Options, out io.Writer) slog.Handler {
	options := &slog.HandlerOptions{Level: o.LogLevel}
	if o.LogJSON {
		return slog.NewJSONHandler(out, options)
	}
	return slog.NewTextHandler(out, options)
}

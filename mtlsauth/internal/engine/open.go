package engine

import (
	"context"
	"io"
	"log/slog"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/flags"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/konglog"
)

// Open makes the plugin. Form is what a door makes of a decision that passes, nil
// for nothing (see authn.Options); what the process prints goes to out. A wrong
// option is a [flags.UsageError]. Nothing that may take long is done here, such as
// reading certificates or credentials: until a door is open Kong answers requests
// with 500.
func Open(o flags.Options, form func(*authn.Decision) authn.Form, out io.Writer) (*Engine, error) {
	log := konglog.New(o.Name, o.LogLevel, printed(o, out))
	config := kongdata.Config{
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
	var sources []kongdata.Source
	if !o.LuaMode {
		var err error
		if sources, err = kongdata.Open(config, log.Sources); err != nil {
			return nil, &flags.UsageError{Err: err}
		}
	}
	memory := &memoryGuard{limit: limitMemory()}
	status, err := openStatus(o, memory.limit, log.Background)
	if err != nil {
		return nil, err
	}
	return newEngine(parts{
		store:      kongdata.NewStore(kongdata.Options{Sources: sources, Refresh: o.Refresh, Log: log.Sources}),
		status:     status,
		cold:       authn.NewCold(memory.isFull),
		log:        log,
		form:       form,
		minRSABits: o.MinRSABits,
		memory:     memory.limit,
		luaMode:    o.LuaMode,
	}), nil
}

// Refusing makes a plugin that refuses every configuration: for a door that can
// not end the process when its settings can not be used. It fails closed, and is
// not to be run.
func Refusing(o flags.Options, why error, out io.Writer) *Engine {
	return newEngine(parts{log: konglog.New(o.Name, o.LogLevel, printed(o, out)), memory: minMemory, refused: why})
}

// Run starts what runs in the background, until ctx ends. The channel that it
// returns is closed when no source of CA certificates is read any more.
func (p *Engine) Run(ctx context.Context) (ended <-chan struct{}) {
	refreshed := make(chan struct{})
	go func() {
		defer close(refreshed)
		p.store.Run(ctx)
	}()
	p.status.run(ctx)
	return refreshed
}

// Reload has all sources read again and forgets consumer lookups, with what was
// decided by them (SIGHUP).
func (p *Engine) Reload() {
	p.store.Reload()
	p.lookups.Forget()
	p.consumers.Forget()
	p.status.reload()
}

// Background is the log of what no request is to blame for: it is printed and,
// from warn on, goes to Kong's log with the next event.
func (p *Engine) Background() *slog.Logger { return p.log.Background }

// printed is the handler for what the process prints, which Kong logs at info.
func printed(o flags.Options, out io.Writer) slog.Handler {
	options := &slog.HandlerOptions{Level: o.LogLevel}
	if o.LogJSON {
		return slog.NewJSONHandler(out, options)
	}
	return slog.NewTextHandler(out, options)
}

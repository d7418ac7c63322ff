package mtlsauth

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
)

// credentialsFiles are the files that may hold manual mappings, in the order in
// which they are asked.
func credentialsFiles(o ServerOptions) []*consumer.File {
	var files []*consumer.File
	if o.Credentials != "" {
		files = append(files, consumer.NewFile(o.Credentials))
	}
	if o.DeclarativeConfig != "" {
		files = append(files, consumer.NewDeclarativeFile(o.DeclarativeConfig))
	}
	return files
}

// readCredentials reads a file if it has changed, with force in any case. A
// version that can not be used leaves the last good one in force; where there
// is none yet, requests that look consumers up get 500, since nobody knows whom
// it would have mapped.
func readCredentials(ctx context.Context, file *consumer.File, force bool, log *slog.Logger) {
	defer func() {
		if r := recover(); r != nil {
			log.Error("reading credentials", "file", file.Path(), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	before := file.Current()
	err := file.Refresh(ctx, force)
	switch {
	case err != nil:
		log.Error("credentials can not be used, the last good ones stay in force", "file", file.Path(), "error", err)
	case file.Current() != before:
		log.Info("credentials read", "file", file.Path())
	}
}

// refreshCredentials reads the files when they have changed, until ctx ends.
func refreshCredentials(ctx context.Context, files []*consumer.File, every time.Duration, log *slog.Logger) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for _, file := range files {
				readCredentials(ctx, file, false, log)
			}
		}
	}
}

// reload reads all sources anew and forgets consumer lookups, with what was
// decided by them (SIGHUP).
func (p *Plugin) reload(ctx context.Context) {
	p.store.Reload()
	p.lookups.Forget()
	p.status.reload()
	for _, file := range p.files {
		readCredentials(ctx, file, true, p.log.background)
	}
}

package mtlsauth

import (
	"context"
	"log/slog"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
)

// credentialsFile reads the file of -credentials for the first time; nil for
// no path. Until a version of it can be used, requests that look consumers up
// get 500: nobody knows whom it would have mapped.
func credentialsFile(path string, log *slog.Logger) *consumer.File {
	if path == "" {
		return nil
	}
	file := consumer.NewFile(path)
	if err := file.Refresh(context.Background(), true); err != nil {
		log.Error("credentials can not be used", "file", path, "error", err)
	}
	return file
}

// refreshCredentials reads the file when it has changed, until ctx ends. A
// broken version leaves the last good one in force.
func refreshCredentials(ctx context.Context, file *consumer.File, every time.Duration, log *slog.Logger) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			before := file.Current()
			if err := file.Refresh(ctx, false); err != nil {
				log.Error("credentials can not be used, the last good ones stay in force", "file", file.Path(), "error", err)
			} else if file.Current() != before {
				log.Info("credentials read", "file", file.Path())
			}
		}
	}
}

// reload reads all sources anew and forgets consumer lookups (SIGHUP).
func (p *Plugin) reload(ctx context.Context) {
	p.store.Reload()
	p.lookups.Forget()
	if p.file == nil {
		return
	}
	if err := p.file.Refresh(ctx, true); err != nil {
		p.log.background.Error("credentials can not be used, the last good ones stay in force", "file", p.file.Path(), "error", err)
	}
}

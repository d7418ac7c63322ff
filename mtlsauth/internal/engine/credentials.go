package engine

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/flags"
)

// credentialsFiles are the files that may hold manual mappings, in the order in
// which they are asked.
func credentialsFiles(o flags.Options) []*consumer.File {
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

// firstReadingWait is how long requests wait, together, for the first reading of
// the files: longer than that of the largest takes, far shorter than the minute
// after which Kong gives up.
const firstReadingWait = 5 * time.Second

// firstReading is that of the files of credentials, which the server does not
// wait for before it listens: requests whose mappings it may hold do.
type firstReading struct {
	done     chan struct{} // closed when it is over
	deadline time.Time
}

func newFirstReading(now time.Time) *firstReading {
	return &firstReading{done: make(chan struct{}), deadline: now.Add(firstReadingWait)}
}

// wait returns when the reading is over, or has taken too long: then nobody knows
// whom a file would have mapped, and lookups fail.
func (r *firstReading) wait() {
	select {
	case <-r.done:
		return
	default:
	}
	timer := time.NewTimer(time.Until(r.deadline)) // at once when that is past
	defer timer.Stop()
	select {
	case <-r.done:
	case <-timer.C:
	}
}

// refreshCredentials reads the files, at first with force, and when they have
// changed, until ctx ends.
func refreshCredentials(ctx context.Context, files []*consumer.File, first *firstReading, every time.Duration, log *slog.Logger) {
	for _, file := range files {
		readCredentials(ctx, file, true, log)
	}
	close(first.done)
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

// Reload reads all sources anew and forgets consumer lookups, with what was
// decided by them (SIGHUP). A file may hold it up.
func (p *Engine) Reload(ctx context.Context) {
	p.store.Reload()
	p.lookups.Forget()
	p.consumers.Forget()
	p.status.reload()
	for _, file := range p.files {
		readCredentials(ctx, file, true, p.log.Sources)
	}
}

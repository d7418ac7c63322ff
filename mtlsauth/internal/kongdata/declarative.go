package kongdata

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/filewatch"
)

const (
	// maxDeclarative bounds a declarative file: Kong itself holds one in memory
	// at once, a hundred thousand routes are some 30 MB, and reading YAML takes
	// several times its size.
	maxDeclarative = 64 << 20

	// maxCredentialsFile bounds a file of -credentials: some 50,000 credentials,
	// whose YAML takes seconds and a hundred times its size to read.
	maxCredentialsFile = 8 << 20
)

// file is a file of Kong's declarative format or decK's. A version that cannot be
// used says nothing, so that what the last good one said stays in use.
type file struct {
	watch  *filewatch.File
	entity string // whose credentials count
	log    *slog.Logger
	parse  func(data []byte) (*entities, error)

	// What follows belongs to read.
	good        *entities // the last version that could be used
	credentials *consumer.Credentials
	err         error // why the last version could not

	current atomic.Pointer[fileState] // for consumer
}

type fileState struct {
	good *entities
	err  error
}

// declarativeFile is a declarative file as a source.
func declarativeFile(name, path, plugin string, log *slog.Logger) Source {
	f := &file{watch: filewatch.New(path, maxDeclarative), entity: credentialEntity(plugin), log: log}
	f.parse = func(data []byte) (*entities, error) { return parseEntities(data, path) }
	return Source{Name: name, HasCredentials: true, Consumer: f.consumer, Read: func(_ context.Context, r Request) Contents {
		f.read(r.Force)
		c := Contents{Err: f.err, Fault: f.err, Credentials: f.credentials}
		if f.err == nil {
			c.CACertificates = f.good.caCertificates
		}
		return c
	}}
}

// credentialsFile is a file of -credentials as a source: of what it holds only the
// credentials count.
func credentialsFile(path, plugin string, log *slog.Logger) Source {
	f := &file{watch: filewatch.New(path, maxCredentialsFile), entity: credentialEntity(plugin), log: log}
	f.parse = func(data []byte) (*entities, error) { return parseCredentials(data, path, f.entity) }
	return Source{Name: "-credentials " + path, HasCredentials: true, Read: func(_ context.Context, r Request) Contents {
		f.read(r.Force)
		return Contents{Fault: f.err, Credentials: f.credentials}
	}}
}

// parseCredentials reads a file of -credentials.
func parseCredentials(data []byte, name, entity string) (*entities, error) {
	e, err := parseEntities(data, name)
	if err == nil && !e.lists["consumers"] && !e.lists[entity] {
		// A misspelt key or half a file: one without credentials says
		// `consumers: []`.
		err = errors.New("it has neither consumers nor " + entity)
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// declarativeText is a declarative configuration that does not change.
func declarativeText(name, text string) Source {
	e, err := parseEntities([]byte(text), "")
	s := Source{Name: name, Consumer: func(_ context.Context, q consumer.Query) (*consumer.Consumer, error) {
		if err != nil {
			return nil, err
		}
		return e.find(q)
	}}
	s.Read = func(context.Context, Request) Contents {
		if err != nil {
			return Contents{Err: err, Fault: err}
		}
		return Contents{CACertificates: e.caCertificates}
	}
	return s
}

// read reads the file if it has changed.
func (f *file) read(force bool) {
	data, changed, err := f.watch.Read(force)
	if err == nil && !changed {
		return
	}
	var e *entities
	var credentials *consumer.Credentials
	if err == nil {
		if e, err = f.parse(data); err == nil {
			credentials, err = consumer.NewCredentials(e.credentials[f.entity])
		}
		if err != nil {
			err = fmt.Errorf("reading %s: %w", f.watch.Path(), err)
		}
	}
	if f.err = err; err == nil {
		if e.more {
			f.log.Warn("of several YAML documents in a file the first counts, as for Kong", "file", f.watch.Path())
		}
		f.good = e
		if f.credentials == nil || !f.credentials.Equal(credentials) {
			f.credentials = credentials
		}
	}
	f.current.Store(&fileState{f.good, f.err})
}

// consumer answers from the version that was read last. While that cannot be used,
// consumers of the last good one are still found; for others it fails closed: they
// may be in the new one.
func (f *file) consumer(_ context.Context, q consumer.Query) (*consumer.Consumer, error) {
	state := f.current.Load()
	if state == nil {
		return nil, errors.New("it has not been read yet")
	}
	err := state.err
	if state.good != nil {
		c, findErr := state.good.find(q)
		if findErr == nil || err == nil {
			return c, findErr
		}
	}
	return nil, err
}

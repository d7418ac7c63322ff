package kongdata

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/filewatch"
	"mtls-auth/mtlsauth/internal/kongenv"
)

const (
	// replacingFlags are what to use where .kong_env cannot be.
	replacingFlags = "-admin-url (or -declarative-config, -ca-dir); on a data plane, which has no Admin API, -ca-dir or -declarative-config"

	// dataPlaneFlags are those for a Kong that gets its configuration from a
	// control plane: its .kong_env leads nowhere.
	dataPlaneFlags = "-ca-dir or -declarative-config: a data plane has no Admin API, so -admin-url only helps if it names the control plane's"

	dataPlane = "data plane"
)

// envSource is the source that .kong_env leads to: Kong's Admin API, or, if it has
// none, the declarative configuration that Kong started with. The file is read again
// when it changes. A file that was never there belongs to a Kong that is not
// configured here, which has nothing; one that can no longer be read leaves in use
// what it led to.
type envSource struct {
	config  Config
	log     *slog.Logger
	file    *filewatch.File
	current atomic.Pointer[envTarget]
}

// envTarget is where .kong_env leads.
type envTarget struct {
	key    string  // equal for equal targets
	source *Source // nil: nowhere, or nowhere usable if err is set
	err    error
}

// kongEnvSource returns the source that the .kong_env of a prefix leads to, and says
// what stands in the way; alone says that there is no other source.
func kongEnvSource(c Config, log *slog.Logger, alone bool) Source {
	e := newEnvSource(c, log)
	target := e.next(nil, false)
	e.follow(target)
	switch {
	case target.source != nil:
	case target.err != nil && alone:
		c.later(func() { log.Warn("no source of CA certificates", "file", e.file.Path(), "error", target.err) })
	case target.err != nil:
		log.Info(".kong_env leads to no source of CA certificates", "file", e.file.Path(), "error", target.err)
	case alone && target.key == dataPlane:
		c.later(func() { log.Warn(noSourceYet+dataPlaneFlags, "file", e.file.Path(), "found", target.key) })
	case alone:
		c.later(func() { log.Warn(noSource, "file", e.file.Path(), "found", target.key) })
	}
	return Source{Name: e.file.Path(), Read: e.read, Consumer: e.consumer}
}

func newEnvSource(c Config, log *slog.Logger) *envSource {
	return &envSource{config: c, log: log, file: filewatch.New(kongenv.Path(c.Prefix), kongenv.MaxBytes)}
}

// read reads .kong_env if it has changed, and the source that it leads to.
func (e *envSource) read(ctx context.Context, r Request) Contents {
	old := e.current.Load()
	target := e.next(old, r.Force)
	if target == nil || target.key == old.key {
		target = old
	}
	contents := Contents{Err: target.err}
	if target.source != nil {
		contents = target.source.Read(ctx, r)
	}
	if target != old {
		e.follow(target) // consumers are asked of it once it has been read
	}
	return contents
}

// consumer asks the source that .kong_env leads to. If that is nowhere, this is not a
// source of consumers. If it is not known where it leads, the question cannot be
// asked here, but Kong itself knows its consumers.
func (e *envSource) consumer(ctx context.Context, q consumer.Query) (*consumer.Consumer, error) {
	switch target := e.current.Load(); {
	case target.source != nil:
		c, err := target.source.Consumer(ctx, q)
		if err != nil {
			err = fmt.Errorf("%s: %w", target.source.Name, err)
		}
		return c, err
	case target.err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnanswerable, target.err)
	}
	return nil, ErrNoConsumers
}

// follow makes a target the one that is asked.
func (e *envSource) follow(target *envTarget) {
	e.current.Store(target)
	if target.source != nil {
		e.log.Info("CA certificates and consumers can be had from what .kong_env names", "file", e.file.Path(), "source", target.source.Name)
	}
}

// next reads .kong_env if it has changed and returns where it leads, nil for where it
// led before.
func (e *envSource) next(old *envTarget, force bool) *envTarget {
	data, changed, err := e.file.Read(force)
	if err == nil && !changed {
		return nil
	}
	var settings *kongenv.Settings
	key := "unreadable"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		key = "absent"
	case err != nil:
		err = e.explain(err)
	default:
		if settings, err = kongenv.Parse(data); err == nil {
			return e.target(settings)
		}
		key, err = "broken", fmt.Errorf("reading %s: %w", e.file.Path(), err)
	}
	if old != nil && old.source != nil {
		return nil // what it led to stays in use
	}
	if key == "absent" {
		err = nil
	}
	return &envTarget{key: key, err: err}
}

// target returns where the file's settings lead.
func (e *envSource) target(settings *kongenv.Settings) *envTarget {
	prefix := e.config.Prefix
	var source Source
	key := ""
	switch {
	case settings.DataPlane:
		return &envTarget{key: dataPlane}
	case settings.HasAdminAPI():
		api, err := e.config.adminOf(settings)
		if err != nil {
			return &envTarget{key: "no address", err: err}
		}
		source, key = api.source(), strings.Join(api.access.pins, "\x00")
	case settings.DeclarativeConfig != "":
		path := kongenv.Below(prefix, settings.DeclarativeConfig)
		source = declarativeFile("declarative_config "+path, path, e.config.Plugin, e.log)
	case settings.DeclarativeString != "":
		source, key = declarativeText("declarative_config_string", settings.DeclarativeString), settings.DeclarativeString
	default:
		return &envTarget{key: "none"}
	}
	return &envTarget{key: source.Name + "\x00" + key, source: &source}
}

// explain says who owns the file that cannot be read, and what to use instead.
func (e *envSource) explain(err error) error {
	info, statErr := os.Stat(e.file.Path())
	if statErr != nil {
		return fmt.Errorf("%w; use instead %s", err, replacingFlags)
	}
	owner := "unknown"
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		owner = strconv.FormatUint(uint64(stat.Uid), 10)
		if u, err := user.LookupId(owner); err == nil {
			owner = u.Username
		}
	}
	return fmt.Errorf("%w (owner %s, mode %04o); use instead %s", err, owner, info.Mode().Perm(), replacingFlags)
}

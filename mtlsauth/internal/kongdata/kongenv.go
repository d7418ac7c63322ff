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

	"mtls-auth/mtlsauth/internal/filewatch"
	"mtls-auth/mtlsauth/internal/kongenv"
)

// replacingFlags are what to use where .kong_env can not be.
const replacingFlags = "-admin-url (or -declarative-config, -ca-dir); on a data plane, which has no Admin API, -ca-dir or -declarative-config"

// dataPlaneFlags are those for a Kong that gets its configuration from a control
// plane: its .kong_env leads nowhere.
const dataPlaneFlags = "-ca-dir or -declarative-config: a data plane has no Admin API, so -admin-url only helps if it names the control plane's"

// errNoAddress is why a Kong with an Admin API is no source.
var errNoAddress = errors.New("admin_listen of .kong_env has no address that can be asked without -admin-allow-http; -admin-url can name one")

// kongEnv is the source that .kong_env leads to: Kong's Admin API, or, if it
// has none, the declarative configuration that Kong started with. The file is
// read again when it changes. A file that was never there is a Kong that is
// not configured here, which has nothing; one that can no longer be read leaves
// in use what it led to.
type kongEnv struct {
	config  Config
	log     *slog.Logger
	file    *filewatch.File
	current atomic.Pointer[kongEnvTarget]
}

// dataPlane is the key of a Kong's target that has neither an Admin API nor,
// since the control plane sends it, a declarative configuration.
const dataPlane = "data plane"

// kongEnvTarget is where .kong_env leads at present.
type kongEnvTarget struct {
	key    string         // equal for equal targets
	source ConsumerSource // nil: nowhere, or nowhere usable if err is set
	err    error
}

func newKongEnv(c Config, log *slog.Logger) *kongEnv {
	return &kongEnv{
		config: c,
		log:    log,
		file:   filewatch.New(kongenv.Path(c.Prefix), kongenv.MaxBytes),
	}
}

func (k *kongEnv) Name() string { return k.file.Path() }

// CACertificate asks the source that .kong_env leads to.
func (k *kongEnv) CACertificate(ctx context.Context, id string) (string, error) {
	target := k.current.Load()
	switch {
	case target == nil:
		return "", errors.New(".kong_env has not been read yet")
	case target.source != nil:
		text, err := target.source.CACertificate(ctx, id)
		if err != nil {
			err = fmt.Errorf("%s: %w", target.source.Name(), err)
		}
		return text, err
	case target.err != nil:
		return "", target.err
	}
	return "", ErrNotFound
}

// Consumer asks the source that .kong_env leads to. If that is nowhere, this is
// no source of consumers. If nobody knows where it leads, the question can not
// be asked here, but Kong itself knows its consumers.
func (k *kongEnv) Consumer(ctx context.Context, by Field, value string) (Consumer, error) {
	target := k.current.Load()
	switch {
	case target == nil:
		return Consumer{}, errors.New(".kong_env has not been read yet")
	case target.source != nil:
		c, err := target.source.Consumer(ctx, by, value)
		if err != nil {
			err = fmt.Errorf("%s: %w", target.source.Name(), err)
		}
		return c, err
	case target.err != nil:
		return Consumer{}, fmt.Errorf("%w: %w", ErrUnanswerable, target.err)
	}
	return Consumer{}, ErrNoConsumers
}

func (k *kongEnv) fault() error {
	if target := k.current.Load(); target != nil {
		if f, ok := target.source.(faulty); ok {
			return f.fault()
		}
		return target.err
	}
	return nil
}

// Refresh reads .kong_env if it has changed, and has the source read that it
// leads to, a new one before it is asked.
func (k *kongEnv) Refresh(ctx context.Context, force bool) {
	if next := k.look(force); next != nil {
		refresh(ctx, next.source, true)
		k.follow(next)
		return
	}
	if target := k.current.Load(); target != nil {
		refresh(ctx, target.source, force)
	}
}

func refresh(ctx context.Context, s Source, force bool) {
	if r, ok := s.(Refresher); ok {
		r.Refresh(ctx, force)
	}
}

// look reads .kong_env and returns where it leads, or nil for where it led
// before.
func (k *kongEnv) look(force bool) *kongEnvTarget {
	old := k.current.Load()
	next := k.next(old, force)
	if next != nil && old != nil && old.key == next.key {
		return nil
	}
	return next
}

func (k *kongEnv) next(old *kongEnvTarget, force bool) *kongEnvTarget {
	data, changed, err := k.file.Read(force)
	switch {
	case err != nil && old != nil && old.source != nil:
		return nil // what it led to stays in use
	case errors.Is(err, fs.ErrNotExist):
		return &kongEnvTarget{key: "absent"}
	case err != nil:
		return &kongEnvTarget{key: "unreadable", err: k.explain(err)}
	case changed:
		env, err := kongenv.Parse(data)
		switch {
		case err == nil:
			return k.target(env)
		case old == nil || old.source == nil:
			return &kongEnvTarget{key: "broken", err: fmt.Errorf("reading %s: %w", k.file.Path(), err)}
		}
	}
	return nil
}

// follow makes target the current one.
func (k *kongEnv) follow(target *kongEnvTarget) {
	old := k.current.Load()
	k.current.Store(target)
	if target.source != nil {
		k.log.Info("CA certificates and consumers can be had from what .kong_env names", "file", k.file.Path(), "source", target.source.Name())
	}
	if old != nil {
		closeSource(old.source)
	}
}

// target returns where the file's settings lead.
func (k *kongEnv) target(env *kongenv.Settings) *kongEnvTarget {
	prefix := k.config.Prefix
	switch {
	case env.DataPlane:
		return &kongEnvTarget{key: dataPlane}
	case env.HasAdminAPI():
		address, ok := usable(env.AdminURLs(), k.config.AdminAllowHTTP)
		if !ok {
			return &kongEnvTarget{key: "no address", err: errNoAddress}
		}
		var pins []string
		if address.tls && isLoopback(address.host) {
			pins = env.AdminCertificates(prefix)
		}
		return &kongEnvTarget{
			key:    strings.Join(append([]string{"admin", address.String()}, pins...), "\x00"),
			source: newAdminAPI(address, newAdminAccess(k.config, pins)),
		}
	case env.DeclarativeConfig != "":
		path := kongenv.Below(prefix, env.DeclarativeConfig)
		return &kongEnvTarget{
			key:    "file\x00" + path,
			source: newDeclarativeFile("declarative_config "+path, path),
		}
	case env.DeclarativeString != "":
		return &kongEnvTarget{
			key:    "text\x00" + env.DeclarativeString,
			source: newDeclarativeText("declarative_config_string", env.DeclarativeString),
		}
	}
	return &kongEnvTarget{key: "none"}
}

// usable returns the first address that may be asked: plain http goes to
// loopback alone, and elsewhere with -admin-allow-http.
func usable(urls []string, allowHTTP bool) (adminAddress, bool) {
	for _, url := range urls {
		if address, err := parseAdminURL(url, allowHTTP); err == nil {
			return address, true
		}
	}
	return adminAddress{}, false
}

// Close ends connections that are not in use.
func (k *kongEnv) Close() error {
	if target := k.current.Load(); target != nil {
		closeSource(target.source)
	}
	return nil
}

// explain says whose file it is that can not be read, and what to use instead.
func (k *kongEnv) explain(err error) error {
	info, statErr := os.Stat(k.file.Path())
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

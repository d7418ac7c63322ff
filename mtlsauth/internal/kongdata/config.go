package kongdata

import (
	"fmt"
	"io"
	"log/slog"
	"syscall"
)

// Config says which sources there are, in the words of the program's flags. An
// empty path is none.
type Config struct {
	// Prefix is Kong's prefix. Its .kong_env is used when AdminURL is empty.
	Prefix string

	CADir             string // -ca-dir
	DeclarativeConfig string // -declarative-config

	AdminURL       string // -admin-url: https, unix:PATH, http to loopback
	AdminAllowHTTP bool   // -admin-allow-http: plain http to anywhere
	AdminTokenFile string // -admin-token-file: sent as Kong-Admin-Token
	AdminCAFile    string // -admin-ca-file: PEM; empty is the system's CAs
	AdminCertFile  string // -admin-cert-file: PEM, for TLS with a client certificate
	AdminKeyFile   string // -admin-key-file: PEM, belongs to AdminCertFile
}

// Open returns the sources, the first to be asked in front. An error is a wrong
// value and names the flag. No source is asked and no certificate read: what is
// wrong with a file's content shows in the log when the source is asked. Where
// there is no source at all, the log says so at once.
func Open(c Config, log *slog.Logger) ([]Source, error) {
	if log == nil {
		log = slog.Default()
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	c.warnAbsent(log)
	var sources []Source
	if c.CADir != "" {
		sources = append(sources, newFolder(c.CADir, log))
	}
	if c.DeclarativeConfig != "" {
		sources = append(sources, newDeclarativeFile("-declarative-config "+c.DeclarativeConfig, c.DeclarativeConfig))
	}
	switch {
	case c.AdminURL != "":
		address, err := parseAdminURL(c.AdminURL, c.AdminAllowHTTP)
		if err != nil {
			return nil, fmt.Errorf("-admin-url %w", err)
		}
		sources = append(sources, newAdminAPI(address, newAdminAccess(c, nil)))
	case c.Prefix != "":
		env := newKongEnv(c, log)
		env.announce(len(sources) == 0)
		sources = append(sources, env)
	}
	if len(sources) == 0 {
		log.Warn(noSource)
	}
	return sources, nil
}

const (
	noSourceYet = "no source of CA certificates: without the native door no request can be authenticated; use "
	noSource    = noSourceYet + replacingFlags
)

// check compares the flags with each other.
func (c Config) check() error {
	switch {
	case c.AdminCertFile != "" && c.AdminKeyFile == "":
		return fmt.Errorf("-admin-cert-file %q needs -admin-key-file", c.AdminCertFile)
	case c.AdminKeyFile != "" && c.AdminCertFile == "":
		return fmt.Errorf("-admin-key-file %q needs -admin-cert-file", c.AdminKeyFile)
	}
	return nil
}

// warnAbsent says which of the paths that flags name can not be opened. They may
// come later, so this is no error. Nothing is opened.
func (c Config) warnAbsent(log *slog.Logger) {
	for _, f := range []struct{ flag, path string }{
		{"-ca-dir", c.CADir},
		{"-declarative-config", c.DeclarativeConfig},
		{"-admin-token-file", c.AdminTokenFile},
		{"-admin-ca-file", c.AdminCAFile},
		{"-admin-cert-file", c.AdminCertFile},
		{"-admin-key-file", c.AdminKeyFile},
	} {
		if f.path == "" {
			continue
		}
		if err := syscall.Access(f.path, mayRead); err != nil {
			log.Warn("what a flag names can not be opened now: it is tried again and again", "flag", f.flag, "path", f.path, "err", err)
		}
	}
}

// mayRead is R_OK of access(2).
const mayRead = 4

// announce looks at .kong_env for the first time and says what stands in the
// way; alone says that there is no other source.
func (k *kongEnv) announce(alone bool) {
	if next := k.look(false); next != nil {
		k.follow(next)
	}
	target := k.current.Load()
	switch {
	case target.source != nil:
	case target.err != nil && alone:
		k.log.Warn("no source of CA certificates", "file", k.file.Path(), "err", target.err)
	case target.err != nil:
		k.log.Info(".kong_env leads to no source of CA certificates", "file", k.file.Path(), "err", target.err)
	case alone && target.key == dataPlane:
		k.log.Warn(noSourceYet+dataPlaneFlags, "file", k.file.Path(), "found", target.key)
	case alone:
		k.log.Warn(noSource, "file", k.file.Path(), "found", target.key)
	}
}

func closeSource(s Source) {
	if c, ok := s.(io.Closer); ok {
		c.Close()
	}
}

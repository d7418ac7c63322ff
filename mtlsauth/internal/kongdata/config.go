package kongdata

import (
	"fmt"
	"log/slog"
	"slices"
	"syscall"
)

// Config says which sources there are, in the words of the program's flags. An
// empty path names no source.
type Config struct {
	// Plugin is the name under which the plugin is installed, whose credentials count:
	// header-cert-auth's own, or mtls-auth's.
	Plugin string

	// Prefix is Kong's prefix. Its .kong_env is used when AdminURL is empty.
	Prefix string

	CADir             string // -ca-dir
	DeclarativeConfig string // -declarative-config
	Credentials       string // -credentials

	AdminURL       string // -admin-url: https, unix:PATH, http to loopback
	AdminAllowHTTP bool   // -admin-allow-http: plain http to anywhere
	AdminTokenFile string // -admin-token-file: sent as Kong-Admin-Token
	AdminCAFile    string // -admin-ca-file: PEM; empty is the system's CAs
	AdminCertFile  string // -admin-cert-file: PEM, for TLS with a client certificate
	AdminKeyFile   string // -admin-key-file: PEM, belongs to AdminCertFile

	// Later, if given, gets the warning that there is no source, for when one is needed:
	// in Lua mode none is.
	Later func(warn func())
}

// Open returns the sources in order of their rank. An error is a wrong value and
// names the flag. No source is asked and no certificate read: what is wrong with a
// file's content shows in the log when it is read. Where there is no source of CA
// certificates at all, the log says so, see Later.
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
		sources = append(sources, caFolder(c.CADir, log))
	}
	if c.DeclarativeConfig != "" {
		sources = append(sources, declarativeFile("-declarative-config "+c.DeclarativeConfig, c.DeclarativeConfig, c.Plugin, log))
	}
	switch {
	case c.AdminURL != "":
		api, err := c.adminAt(c.AdminURL)
		if err != nil {
			return nil, err
		}
		sources = append(sources, api.source())
	case c.Prefix != "":
		sources = append(sources, kongEnvSource(c, log, len(sources) == 0))
	}
	if len(sources) == 0 {
		c.later(func() { log.Warn(noSource) })
	}
	if c.Credentials != "" {
		// The mappings of this file come before those of the others.
		sources = slices.Insert(sources, 0, credentialsFile(c.Credentials, c.Plugin, log))
	}
	return sources, nil
}

const (
	noSourceYet = "no source of CA certificates: without Lua mode no request can be authenticated; use "
	noSource    = noSourceYet + replacingFlags
)

func (c Config) later(warn func()) {
	if c.Later == nil {
		warn()
		return
	}
	c.Later(warn)
}

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

// warnAbsent says which of the paths that flags name cannot be opened. They may come
// later, so this is not an error. Nothing is opened.
func (c Config) warnAbsent(log *slog.Logger) {
	for _, f := range []struct{ flag, path string }{
		{"-ca-dir", c.CADir},
		{"-declarative-config", c.DeclarativeConfig},
		{"-credentials", c.Credentials},
		{"-admin-token-file", c.AdminTokenFile},
		{"-admin-ca-file", c.AdminCAFile},
		{"-admin-cert-file", c.AdminCertFile},
		{"-admin-key-file", c.AdminKeyFile},
	} {
		if f.path == "" {
			continue
		}
		if err := syscall.Access(f.path, mayRead); err != nil {
			log.Warn("file or folder named by a flag is not readable yet; will retry", "flag", f.flag, "path", f.path, "error", err)
		}
	}
}

// mayRead is R_OK of access(2).
const mayRead = 4

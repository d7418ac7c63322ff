// Package flags has the options that are set outside Kong's configuration of the
// plugin, by flags and environment variables: where CA certificates and consumers come from, where certificate
// status is kept, how much is logged. They are the same in every
// mode.
package flags

import (
	"io/fs"
	"log/slog"
	"time"
)

// Options are the flags of the plugin server, which go-pluginserver's plugin has as
// environment variables.
type Options struct {
	Name       string // the plugin's
	Prefix     string // Kong's
	SocketMode fs.FileMode
	// LuaMode says that the Lua plugin has started the server: what it prints goes to
	// Kong's log, and no source of plugin-server mode is opened.
	LuaMode bool
	// KeepOther makes a socket on which another server answers an error.
	KeepOther  bool
	MinRSABits int

	// Where CA certificates are looked for; see the flags of these names.
	CADir             string
	DeclarativeConfig string
	AdminURL          string
	AdminAllowHTTP    bool
	AdminTokenFile    string
	AdminCAFile       string
	AdminCertFile     string
	AdminKeyFile      string
	Refresh           time.Duration

	Credentials string // file of manual mappings

	// Where certificate status is read from and kept, and which URLs may be fetched
	// for it; see the flags of these names.
	CRLDir      string
	StateDir    string
	MaxCRLSize  int64
	DenyPrivate bool
	// Offline fetches nothing: each URL fails. No flag of the server sets it.
	Offline bool

	// MetricsListen is where metrics are served, a loopback host:port or unix:PATH; "" for
	// nowhere.
	MetricsListen string

	LogLevel slog.Level
	LogJSON  bool

	// Notices are warnings about how the program was called, for the log.
	Notices []string
}

// A UsageError is a wrong value of an option: the caller's mistake, not the
// machine's.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

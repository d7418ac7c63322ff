// Package anykong has what the fake Kong and a real one have in common, so that what is
// written for one runs on the other: options, access records and the certificate of
// the TLS listener.
package anykong

import (
	"io"
	"time"
)

// Options says what a Kong is to be. Zero values are Kong's defaults where Kong has
// one.
type Options struct {
	Prefix string // directory for .kong_env and the plugin's socket; required, made if absent
	Config []byte // the declarative configuration, YAML or JSON

	// LuaPath is lua_package_path = LuaPath/?.lua;;. The plugins whose code is there
	// are enabled, and go before the plugin server's of the same name.
	LuaPath string

	// The plugin server: none where QueryCommand is empty. Without StartCommand
	// it runs by other means.
	QueryCommand string // pluginserver_*_query_cmd
	StartCommand string // pluginserver_*_start_cmd
	Socket       string // pluginserver_*_socket; Prefix/NAME.socket

	Listen      string // plain HTTP; a loopback address or off; 127.0.0.1:0
	ListenTLS   string // HTTPS likewise; 127.0.0.1:0
	AdminListen string // Admin API, plain HTTP likewise; 127.0.0.1:0

	TrustedIPs []string // trusted_ips

	SSLVerifyClient string // "" or optional_no_ca (nginx_proxy_ssl_verify_client)
	Workers         int    // 1

	LogLevel  string    // notice
	LogOutput io.Writer // nil: the log is kept in memory only

	ReadTimeout  time.Duration // lua_socket_read_timeout; 60 s
	ReloadGrace  time.Duration // from a reload to the SIGTERM of the old process; 10 s
	ClaimTimeout time.Duration // how long requests wait for another's StartInstance; 10 s
	NullValue    int32         // see rpc.Options
}

// Command goplugin is the plugin mtls-auth as a Go plugin, a shared object that
// Kong's go-pluginserver loads (github.com/Kong/go-pluginserver v0.6.1, Kong
// 2.x; Kong 3.x still speaks its MessagePack). It is another way to the
// same engine as package mtlsauth: what Kong asks and is told goes through go-pdk
// v0.6.1, one call after another.
//
//	CGO_ENABLED=1 go build -buildmode=plugin -o mtls-auth.so .
//	CGO_ENABLED=1 go build -o go-pluginserver github.com/Kong/go-pluginserver
//
// Both have to come from this module's build list and one Go version, or the
// server does not load the plugin.
//
// # Failing closed
//
// Kong lets a request pass whose event go-pluginserver did not answer: when that
// ended, or an answer took a minute. So no panic leaves this package, a decision
// has a bound on its time, and what passes is told to kong.ctx.shared, last of
// all and with the certificate that was judged, for a guard in Kong that refuses
// what is not, or shows another.
package main

import (
	"context"
	"flag"
	"os"
	"sync"

	"mtls-auth/mtlsauth/internal/config"
	"mtls-auth/mtlsauth/internal/engine"
	"mtls-auth/mtlsauth/internal/flags"
)

// Version and Priority are looked up by go-pluginserver.
var (
	Version  = config.Version
	Priority = config.Priority
)

// New is looked up by go-pluginserver, for each instance and for the schema.
func New() any { return new(Config) }

// name is the plugin's in the log and in the state folder: a Go plugin does not
// learn under which one it was loaded.
const name = "mtls-auth"

// opened is the plugin, which all instances share, made for the first of them:
// go-pluginserver also loads the shared object only to describe it. It has no
// end but the process's.
var opened = sync.OnceValue(func() *engine.Engine {
	o := flags.Options{Name: name}
	err := o.FromEnvironment()
	// go-pluginserver's own flag says where Kong's prefix is.
	if prefix := flag.Lookup("kong-prefix"); prefix != nil && prefix.Value.String() != "" {
		o.Prefix = prefix.Value.String()
	}
	if err != nil {
		return engine.Refusing(o, err, os.Stderr)
	}
	p, err := engine.Open(o, os.Stderr)
	if err != nil {
		return engine.Refusing(o, err, os.Stderr)
	}
	p.Run(context.Background())
	p.Background().Info("loaded", "version", Version)
	return p
})

// main is never called: a Go plugin is a program whose symbols are looked up.
func main() {}

// Package realkong runs a Kong that is installed on this machine, DB-less or with
// Postgres, in a prefix of its own and at loopback addresses, with the options and the
// methods of the fake Kong ([mtls-auth/mtlsauth/internal/testing/fakekong]): what is written for
// one runs on the other. Tests and benchmarks use it where the environment names a
// Kong; nothing needs it.
//
// It was run with Kong Gateway 3.9.1; what it does, kong.conf and the Admin API
// have had since 3.4.
package realkong

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"mtls-auth/mtlsauth/internal/testing/anykong"
)

// Variable names, in the environment, the kong command to run.
const Variable = "MTLS_AUTH_KONG"

// AdminVariable, set to off, leaves Kong without an Admin API, as a data plane
// is: Configure then reloads Kong with another file.
const AdminVariable = "MTLS_AUTH_KONG_ADMIN"

// Options is what any Kong has, and what only a real one needs.
type Options struct {
	anykong.Options
	// Command is the kong command.
	Command string
	// NoAdmin is admin_listen = off.
	NoAdmin bool
	// NoAccessLog leaves out every access log, ours and nginx's: Access is empty.
	NoAccessLog bool
	// Plugins are further plugins that are installed, besides those that the
	// fake Kong has.
	Plugins []string
	// Servers are plugin servers besides that of the common options.
	Servers []PluginServer
	// Postgres is Kong's database; nil for a Kong without one.
	Postgres *Postgres
	// Settings are further lines of kong.conf, name = value.
	Settings []string
	// Environment is added to that of the kong command, as NAME=value.
	Environment []string
}

// PluginServer is a server of one external plugin, as kong.conf has it.
type PluginServer struct {
	Name         string // of the plugin, and of the server
	QueryCommand string // pluginserver_*_query_cmd
	StartCommand string // pluginserver_*_start_cmd; "" where it runs by other means
	Socket       string // pluginserver_*_socket
}

// Kong is a running Kong.
type Kong struct {
	opts   Options
	conf   string // kong.conf
	config string // the declarative configuration's file
	files  files
	ports  ports
	root   []byte // PEM of the certificate that it shows

	closed sync.Once
}

// Start starts a Kong. ctx bounds how long that may take. Errors have what kong
// start printed.
func Start(ctx context.Context, o Options) (*Kong, error) {
	prefix, err := filepath.Abs(o.Prefix)
	if err != nil {
		return nil, fmt.Errorf("prefix: %w", err)
	}
	o.Prefix = prefix
	// Beside the prefix, which kong start empties of what it does not know.
	beside := prefix + ".d"
	for _, dir := range []string{prefix, beside} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("prefix: %w", err)
		}
	}
	k := &Kong{opts: o, conf: filepath.Join(beside, "kong.conf"), config: filepath.Join(beside, "kong.json")}
	k.files = files{errors: filepath.Join(prefix, "logs", "error.log"), access: filepath.Join(beside, "access.json")}
	if k.root, err = writeCertificate(beside); err != nil {
		return nil, err
	}
	if err := k.write(o.Config); err != nil {
		return nil, err
	}
	for left := 3; ; left-- {
		if k.ports, err = freePorts(); err != nil {
			return nil, err
		}
		if err := os.WriteFile(k.conf, []byte(k.settings(beside)), 0o644); err != nil {
			return nil, err
		}
		if err := k.prepareDatabase(ctx); err != nil {
			return nil, err
		}
		err = k.run(ctx, "start", "-c", k.conf, "-p", prefix)
		if err == nil || left == 0 || !strings.Contains(err.Error(), portTaken) {
			break
		}
	}
	if err != nil {
		err = errors.Join(err, k.files.tail(20))
		if _, e := k.master(); e == nil {
			k.Close() // it was begun, and must not stay
		}
		return nil, err
	}
	return k, nil
}

// portTaken is what kong start says where another process listens at one of its ports.
const portTaken = "Address already in use"

// write puts a configuration where Kong reads it at its start.
func (k *Kong) write(config []byte) error {
	file := k.files.access
	if k.opts.NoAccessLog {
		file = ""
	}
	text, err := withAccessLog(config, file)
	if err != nil {
		return err
	}
	return os.WriteFile(k.config, text, 0o644)
}

// URL returns the plain listener's address.
func (k *Kong) URL() string { return k.ports.url("http", k.ports.plain) }

// URLTLS returns the TLS listener's address. RootPEM has its certificate.
func (k *Kong) URLTLS() string { return k.ports.url("https", k.ports.tls) }

// AdminURL returns the Admin API's address, "" when it is off.
func (k *Kong) AdminURL() string {
	if k.opts.NoAdmin {
		return ""
	}
	return k.ports.url("http", k.ports.admin)
}

// RootPEM returns the TLS listener's certificate, for clients to trust.
func (k *Kong) RootPEM() []byte { return k.root }

// Configure replaces the configuration by POST /config, which returns when one
// worker has it and the others are about to; without an Admin API by a reload.
// The old one stays in force when the new one is refused, and the error has
// Kong's answer. With a database it is always refused.
func (k *Kong) Configure(text []byte) (err error) {
	if k.opts.Postgres != nil {
		return errors.New("a Kong with a database is configured through the Admin API")
	}
	before, err := os.ReadFile(k.config)
	if err != nil {
		return err
	}
	if err := k.write(text); err != nil {
		return err
	}
	defer func() {
		if err != nil { // Kong reads the file at its next start
			err = errors.Join(err, os.WriteFile(k.config, before, 0o644))
		}
	}()
	if k.opts.NoAdmin {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		return k.Reload(ctx)
	}
	body, err := os.ReadFile(k.config)
	if err != nil {
		return err
	}
	resp, err := http.Post(k.AdminURL()+"/config", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("POST /config: %s: %s", resp.Status, answer)
	}
	return nil
}

// Reload is kong reload. It returns when new workers have taken over; old ones
// may still end what they have begun. Where Kong refuses to go on with what it
// reads, the old workers stay, and the error has what it logged.
func (k *Kong) Reload(ctx context.Context) error {
	before, refused := k.starts(), k.files.count(refuses)
	if err := k.run(ctx, "reload", "-c", k.conf, "-p", k.opts.Prefix); err != nil {
		return err
	}
	for k.starts() == before {
		if k.files.count(refuses) > refused {
			return errors.Join(errors.New("kong reload: refused"), k.files.tail(1))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for new workers: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// Close stops Kong, the plugin server with it. It does so by nginx's pid: kong
// stop needs a prefix as kong start left it.
func (k *Kong) Close() {
	k.closed.Do(func() {
		pid, err := k.master()
		if err != nil {
			return // it is not running
		}
		_ = syscall.Kill(pid, syscall.SIGTERM)
		for range 1000 {
			if syscall.Kill(pid, 0) != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		_ = syscall.Kill(pid, syscall.SIGKILL)
	})
}

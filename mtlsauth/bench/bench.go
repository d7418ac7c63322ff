package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"mtls-auth/mtlsauth/bench/kong"
	"mtls-auth/mtlsauth/bench/role"
	"mtls-auth/mtlsauth/bench/server"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// bench is one run of the program.
type bench struct {
	options
	out   io.Writer
	dir   string // temporary
	goals []goal

	root, inter *pki.Certificate
	files       int // that were named
	running     []*role.Process
}

func newBench(o options, out io.Writer) (*bench, error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, out: out, dir: dir, root: pki.NewCA("root")}
	b.inter = b.root.Intermediate("intermediate")
	return b, nil
}

// close ends the processes that an error has left.
func (b *bench) close() {
	b.stop(0)
	os.RemoveAll(b.dir)
}

// path returns a path that nobody else uses.
func (b *bench) path(suffix string) string {
	b.files++
	return filepath.Join(b.dir, strconv.Itoa(b.files)+suffix)
}

func (b *bench) folder() (string, error) {
	path := b.path("")
	return path, os.Mkdir(path, 0o700)
}

// caDir returns a folder with CA certificates by their ids.
func (b *bench) caDir(cas map[string]*pki.Certificate) (string, error) {
	dir, err := b.folder()
	for id, ca := range cas {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, id+".pem"), []byte(ca.PEM()), 0o600))
	}
	return dir, err
}

// ours starts our server. Of its options Prefix is filled in, and CADir where
// it is missing.
func (b *bench) ours(o server.Ours) (*role.Process, string, error) {
	var err error
	if o.CADir == "" {
		if o.CADir, err = b.caDir(map[string]*pki.Certificate{server.CAID: b.root}); err != nil {
			return nil, "", err
		}
	}
	if o.Prefix, err = b.folder(); err != nil {
		return nil, "", err
	}
	return b.server("ours", o)
}

// goPDK starts go-pdk's server with one of its plugins.
func (b *bench) goPDK(plugin string) (*role.Process, string, error) {
	prefix, err := b.folder()
	if err != nil {
		return nil, "", err
	}
	return b.server("StartServer", server.GoPDK{Prefix: prefix, Plugin: plugin, Naive: server.Naive{Roots: b.root.PEM(), Intermediates: b.inter.PEM()}})
}

func (b *bench) bytes(exits bool) (*role.Process, string, error) {
	prefix, err := b.folder()
	if err != nil {
		return nil, "", err
	}
	return b.server("bytes", server.Bytes{Prefix: prefix, Exits: exits})
}

func (b *bench) server(name string, o any) (*role.Process, string, error) {
	p, err := role.Run(name, o)
	if err != nil {
		return nil, "", err
	}
	b.running = append(b.running, p)
	socket, err := server.Socket(p)
	return p, socket, err
}

// stop ends the processes that were started after the first n, the last first.
func (b *bench) stop(n int) error {
	var errs []error
	for _, p := range slices.Backward(b.running[n:]) {
		errs = append(errs, p.Close())
	}
	b.running = b.running[:n]
	return errors.Join(errs...)
}

// consumerID is the consumer of the certificate for client.example.
const consumerID = "a11ce000-0000-4000-8000-000000000001"

// kong starts Kong's side of a server, with our usual configuration under the
// name "".
func (b *bench) kong(socket string, config map[string]any) (*kong.Driver, error) {
	d, err := kong.Start(kong.Options{Socket: socket, Consumers: map[string]string{"client.example": consumerID}})
	if err != nil {
		return nil, err
	}
	b.running = append(b.running, d.Process)
	return d, d.Load("", config)
}

// give has a driver read evidence under a name.
func (b *bench) give(d *kong.Driver, name string, evidence ...kong.Evidence) error {
	file := b.path(".evidence")
	if err := kong.WriteEvidence(file, evidence); err != nil {
		return err
	}
	defer os.Remove(file)
	return d.Read(name, file)
}

// config is a configuration of our plugin; change comes in pairs of a field and
// its value.
func config(change ...any) map[string]any {
	c := map[string]any{
		"__plugin_id": "1", "ca_certificates": []any{server.CAID}, "skip_consumer_lookup": true,
		"consumer_by": []any{"username"}, "cache_ttl": 3600, "revocation_check_mode": "SKIP", "authenticated_group_by": "CN",
	}
	for i := 0; i+1 < len(change); i += 2 {
		c[change[i].(string)] = change[i+1]
	}
	return c
}

// presented is what a client sends, its chain included.
func presented(c *pki.Certificate, want kong.Want) kong.Evidence {
	return kong.Evidence{Leaf: c.PEM(), Chain: c.ChainPEM(), Want: want}
}

// passes is the answer to a client of this name.
func passes(name string) kong.Want { return kong.Want{DN: "CN=" + name} }

func (b *bench) printf(format string, args ...any) { fmt.Fprintf(b.out, format, args...) }

// Package kong is Kong's side of a benchmark: it makes requests to a plugin
// server over its socket as Kong does (gateway/rpc), checks every answer, and
// measures how long it waited. Run as a role, in a process of its own, it costs
// the measured server nothing.
package kong

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"

	"mtls-auth/mtlsauth/bench/role"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// Roles has this package's role.
var Roles = map[string]role.Start{"kong": role.Of(start)}

// Options say which server is talked to and whom Kong knows.
type Options struct {
	Socket    string
	Consumers map[string]string // ids by username
}

// Start starts Kong's side in a process of its own.
func Start(o Options) (*Driver, error) {
	p, err := role.Run("kong", o)
	if err != nil {
		return nil, err
	}
	return &Driver{p}, nil
}

// Driver is Kong's side in a process of its own.
type Driver struct{ *role.Process }

// Load loads a plugin's configuration under a name.
func (d *Driver) Load(name string, config map[string]any) error {
	return d.Do("load", load{name, config}, nil)
}

// Read reads evidence from a file that WriteEvidence wrote, under a name.
func (d *Driver) Read(name, file string) error {
	return d.Do("read", read{name, file}, nil)
}

// Run makes requests and returns how they went. An answer that is not the one
// that the evidence wants is an error.
func (d *Driver) Run(j Job) (Result, error) {
	var r Result
	return r, d.Do("run", j, &r)
}

type load struct {
	Name   string
	Config map[string]any
}

type read struct{ Name, File string }

// part is the driver within its process.
type part struct {
	client   *rpc.Client
	configs  map[string]*rpc.Config
	evidence map[string][]Evidence
}

func start(o Options) (role.Part, error) {
	// The driver's garbage must not be what a latency is made of.
	debug.SetGCPercent(800)
	return &part{
		client:   Client(o),
		configs:  map[string]*rpc.Config{},
		evidence: map[string][]Evidence{},
	}, nil
}

// Client returns Kong's side without a process of its own.
func Client(o Options) *rpc.Client {
	return rpc.New(rpc.Options{
		Socket:    o.Socket,
		Plugin:    strings.TrimSuffix(filepath.Base(o.Socket), ".socket"),
		Consumers: consumers(o.Consumers),
	})
}

func (p *part) Do(command string, argument json.RawMessage) (any, error) {
	switch command {
	case "load":
		var l load
		if err := json.Unmarshal(argument, &l); err != nil {
			return nil, err
		}
		config, err := p.client.Load(l.Config)
		p.configs[l.Name] = config
		return nil, err
	case "read":
		var r read
		if err := json.Unmarshal(argument, &r); err != nil {
			return nil, err
		}
		evidence, err := readEvidence(r.File)
		p.evidence[r.Name] = evidence
		return nil, err
	case "run":
		var j Job
		if err := json.Unmarshal(argument, &j); err != nil {
			return nil, err
		}
		return p.run(j)
	}
	return nil, fmt.Errorf("no such command: %q", command)
}

func (p *part) Close() error {
	p.client.Close()
	return nil
}

// consumers are a Kong's consumers, by username.
type consumers map[string]string

var _ rpc.Consumers = consumers(nil)

func (c consumers) ConsumerByID(id string) map[string]any {
	for name, its := range c {
		if its == id {
			return map[string]any{"id": id, "username": name}
		}
	}
	return nil
}

func (c consumers) ConsumerByUsername(name string) map[string]any {
	id, ok := c[name]
	if !ok {
		return nil
	}
	return map[string]any{"id": id, "username": name}
}

// firstError keeps the first error of many goroutines.
type firstError struct {
	once sync.Once
	err  error
}

func (f *firstError) set(err error) { f.once.Do(func() { f.err = err }) }

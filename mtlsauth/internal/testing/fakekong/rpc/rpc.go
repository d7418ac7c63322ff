// Package rpc is Kong's side of the plugin server protocol (ProtoBuf:1) as
// Kong 3.9 speaks it: frames, connections, plugin instances for each worker,
// events and the PDK methods that a plugin calls while its event runs. It needs
// no HTTP: tests and benchmarks make up a [Request], run an event of it with
// [Client.Access] and look at what the plugin did to it.
//
// It follows kong/runloop/plugin_servers of open-source Kong and what was seen
// of Kong 3.9.1 on the wire, the unpleasant parts included: a connection closed
// in the middle of an event repeats that event without limit and without delay,
// and an exit costs its connection. Two kinds of failure are kept apart as they
// are in Lua: an error that is returned (logged as "pluginserver error") and
// one that is thrown (logged by init.lua); the client gets 500 either way.
//
// It knows nothing that it was not told: a method, a consumer or a variable
// that is not there is answered as Kong answers it.
package rpc

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/testing/errlog"
)

// Consumers finds consumers for kong.client.load_consumer. Absent is nil, nil.
type Consumers interface {
	ConsumerByID(id string) map[string]any
	ConsumerByUsername(name string) map[string]any
}

// Options says which plugin server is talked to, and how. Socket, Plugin and, where consumers
// are loaded, Consumers are required; zero values elsewhere are Kong's defaults.
type Options struct {
	Socket  string // path of the plugin server's Unix socket
	Plugin  string // the plugin's name
	Workers int    // Kong's worker processes, each with its own instances and connections; 1

	ReadTimeout  time.Duration // for each read (lua_socket_read_timeout); 60 s
	ClaimTimeout time.Duration // how long requests wait for another's StartInstance; 10 s

	// NullValue is how a nil is sent where a Value is asked for: 0 as an empty
	// frame, any other number as a Value with that null_value. Both were seen.
	NullValue int32

	// Trusted tells whether an address is in trusted_ips; nil trusts none.
	Trusted func(ip string) bool

	Consumers Consumers
	Log       *errlog.Log   // nil keeps nothing
	Seq       *atomic.Int64 // the counter of __seq__, shared by all workers and kept over a reload; nil makes one
}

// pollInterval is how often requests that wait for another's StartInstance look.
const pollInterval = 100 * time.Millisecond

// Client is a plugin server as the workers of one Kong see it. Its methods may
// be called at the same time.
type Client struct {
	opts    Options
	workers []*worker
	next    atomic.Uint64
	starts  atomic.Int64
	closed  atomic.Bool
}

// New makes a client. Nothing is sent before the first event.
func New(o Options) *Client {
	o.Workers = max(o.Workers, 1)
	o.ReadTimeout = cmp.Or(o.ReadTimeout, 60*time.Second)
	o.ClaimTimeout = cmp.Or(o.ClaimTimeout, 10*time.Second)
	if o.Seq == nil {
		o.Seq = new(atomic.Int64)
	}
	c := &Client{opts: o}
	for range o.Workers {
		c.workers = append(c.workers, &worker{client: c, running: map[string]*instance{}})
	}
	return c
}

// Config is one configured plugin as loaded by every worker.
type Config struct {
	pluginID string
	workers  []loaded
}

type loaded struct {
	seq  int64
	json []byte
}

// Load loads a configuration into every worker, which gives each its own
// __seq__. fields is what StartInstance sends besides; it must hold a string
// __plugin_id, by which a later Load is known to replace an earlier one.
func (c *Client) Load(fields map[string]any) (*Config, error) {
	conf := &Config{pluginID: fmt.Sprint(fields["__plugin_id"])}
	for range c.workers {
		all := maps.Clone(fields)
		seq := c.opts.Seq.Add(1)
		all["__seq__"] = seq
		text, err := json.Marshal(all)
		if err != nil {
			return nil, fmt.Errorf("encoding plugin configuration: %w", err)
		}
		conf.workers = append(conf.workers, loaded{seq, text})
	}
	return conf, nil
}

// Access runs the access phase of a plugin for a request, in the next worker
// in turn. What came of it is in the request: an Exit, of 500 where the event
// failed, or none, and then the request passes. It ends only when the event
// does, which for a plugin server that always closes is when c is closed.
func (c *Client) Access(req *Request, conf *Config) {
	i := int(c.next.Add(1)-1) % len(c.workers)
	c.workers[i].handle(req, conf, &conf.workers[i], "access")
}

// Starts returns how many times StartInstance was sent.
func (c *Client) Starts() int64 { return c.starts.Load() }

// Close ends repeats and closes idle connections; running events end as they
// do otherwise, and their connections with them.
func (c *Client) Close() {
	c.closed.Store(true)
	for _, w := range c.workers {
		w.pool.close()
	}
}

// Package load has what a whole Kong is measured with: clients that show a
// certificate, and an upstream, each a role in a process of its own. Both do as
// little as they can, since they share the processors with what is measured:
// they write bytes that were made beforehand, and of what they read they look at
// where it ends and, of an answer, whether it is a 200.
package load

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/bench/kong"
	"mtls-auth/mtlsauth/bench/role"
)

// Roles are the clients and the upstream.
var Roles = map[string]role.Start{"clients": role.Of(start), "upstream": role.Of(startUpstream)}

// Options say whom clients talk to and what they show. All but Address is PEM.
type Options struct {
	Address   string // host:port of a TLS listener
	Root      string // the listener's certificate
	Cert, Key string // the clients'
	// More is a file of certificates with the same key, for jobs that show new
	// ones; "" for none.
	More string
}

// Job is requests to be made, over connections that are kept, for later jobs
// too, and opened before the time counts.
type Job struct {
	// Request is a request as it goes over the wire; it has no body.
	Request     string
	Connections int
	// Lasts is for how long requests are begun, Most how many at the most.
	Lasts time.Duration
	Most  int
	// New has each request go over a connection of its own, which is opened while
	// the time counts and shows one of Options.More: number First, from 0, and those after it,
	// from the beginning again after the last.
	New   bool
	First int
}

// Clients is the clients' process.
type Clients struct{ *role.Process }

// Start starts the clients' process.
func Start(o Options) (Clients, error) {
	p, err := role.Run("clients", o)
	return Clients{p}, err
}

// Run makes requests over HTTP/1.1 and TLS 1.3 and returns how they went. An
// answer that is not 200 is an error.
func (c Clients) Run(j Job) (kong.Result, error) {
	var r kong.Result
	return r, c.Do("run", j, &r)
}

// Get makes one request and returns the body of the answer.
func (c Clients) Get(request string) (string, error) {
	var body string
	return body, c.Do("get", request, &body)
}

// part is the clients within their process.
type part struct {
	address string
	config  *tls.Config
	more    []*tls.Config // each with one of Options.More
	kept    []*connection
}

func start(o Options) (role.Part, error) {
	// The clients' garbage must not be what a latency is made of.
	debug.SetGCPercent(800)
	cert, err := tls.X509KeyPair([]byte(o.Cert), []byte(o.Key))
	if err != nil {
		return nil, fmt.Errorf("reading the clients' certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(o.Root)) {
		return nil, errors.New("the listener's certificate is none")
	}
	p := &part{address: o.Address, config: &tls.Config{
		RootCAs: roots, Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13,
		NextProtos: []string{"http/1.1"}, ServerName: "localhost",
	}}
	return p, p.prepare(o)
}

func (p *part) Do(command string, argument json.RawMessage) (any, error) {
	switch command {
	case "run":
		var j Job
		if err := json.Unmarshal(argument, &j); err != nil {
			return nil, err
		}
		return p.run(j)
	case "get":
		var request string
		if err := json.Unmarshal(argument, &request); err != nil {
			return nil, err
		}
		c, err := p.dial(p.config, time.Now().Add(patience))
		if err != nil {
			return nil, err
		}
		defer c.Close()
		if err := c.exchange([]byte(request)); err != nil {
			return nil, err
		}
		return string(c.body), nil
	}
	return nil, fmt.Errorf("no such command: %q", command)
}

func (p *part) Close() error {
	for _, c := range p.kept {
		c.Close()
	}
	p.kept = nil
	return nil
}

// patience is how long an answer may take beyond the time that a job lasts: more
// than the minute after which Kong gives a plugin server up.
const patience = 70 * time.Second

func (p *part) run(j Job) (kong.Result, error) {
	request := []byte(j.Request)
	n := max(1, j.Connections)
	end := time.Now().Add(j.Lasts + patience)
	if j.New {
		return p.runNew(j, request, n, end)
	}
	if err := p.open(n, end); err != nil {
		return kong.Result{}, err
	}
	connections := p.kept[:n]
	var (
		begun   atomic.Int64
		took    = make([][]time.Duration, len(connections))
		failed  = make([]error, len(connections))
		wg      sync.WaitGroup
		started = time.Now()
	)
	for i, c := range connections {
		wg.Go(func() {
			for now := time.Now(); now.Sub(started) < j.Lasts && begun.Add(1) <= int64(j.Most); {
				if c.closing { // Kong does so after some thousand requests
					c.Close()
					if c, failed[i] = p.dial(p.config, end); failed[i] != nil {
						return
					}
					connections[i] = c
				}
				if failed[i] = c.exchange(request); failed[i] != nil {
					begun.Store(int64(j.Most)) // for the others too
					return
				}
				before := now
				now = time.Now()
				took[i] = append(took[i], now.Sub(before))
			}
		})
	}
	wg.Wait()
	lasted := time.Since(started)
	if err := errors.Join(failed...); err != nil {
		return kong.Result{}, errors.Join(err, p.Close())
	}
	return kong.ResultOf(slices.Concat(took...), lasted), nil
}

// open sees that n connections are kept, good until an instant.
func (p *part) open(n int, end time.Time) error {
	for len(p.kept) < n {
		c, err := p.dial(p.config, end)
		if err != nil {
			return err
		}
		p.kept = append(p.kept, c)
	}
	for _, c := range p.kept {
		if err := c.SetDeadline(end); err != nil {
			return err
		}
	}
	return nil
}

// Package load has the clients and the upstream that a Kong is measured with. Both
// do as little as they can, since they share the processors with what is measured:
// they write bytes that were made beforehand, and read of an answer where it ends
// and whether it is a 200.
package load

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Connections says how the clients of a job connect.
type Connections int

const (
	// Kept connections were opened before the time counts, and serve later jobs too.
	Kept Connections = iota
	// New is a new connection for each request, with a full handshake.
	New
	// Resumed is a new connection for each request, which resumes a TLS session that
	// was made with the client certificate. A full handshake is an error.
	Resumed
)

// clients is how many clients ask at once. A handshake costs clients as much as
// Kong, so there are fewer.
func (c Connections) clients() int {
	if c == Kept {
		return 32
	}
	return 4
}

// Job is requests to be made.
type Job struct {
	Request string        // as it goes over the wire, without a body
	Lasts   time.Duration // for how long requests are begun
	How     Connections
}

// Result is how a job went.
type Result struct {
	Requests int
	Lasted   time.Duration
	took     []time.Duration
}

// Rate returns requests a second.
func (r Result) Rate() float64 { return float64(r.Requests) / r.Lasted.Seconds() }

// Median returns how long the request in the middle took.
func (r Result) Median() time.Duration {
	if len(r.took) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(r.took))[len(r.took)/2]
}

// Clients talk HTTP/1.1 over TLS 1.3 to one address and show a certificate.
type Clients struct {
	address string
	config  *tls.Config
	kept    []*connection
	resume  []*tls.Config // of each client, with the session that it resumes
}

// NewClients makes clients; root is the PEM of the server's certificate.
func NewClients(address string, root []byte, cert tls.Certificate) (*Clients, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(root) {
		return nil, errors.New("reading the server's certificate: no PEM")
	}
	return &Clients{address: address, config: &tls.Config{
		RootCAs: roots, Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13,
		NextProtos: []string{"http/1.1"}, ServerName: "localhost",
	}}, nil
}

// timeout bounds an exchange: more than the minute after which Kong gives up a
// plugin server.
const timeout = 70 * time.Second

// Get makes one request and returns the body of its answer.
func (c *Clients) Get(request string) (string, error) {
	one, err := dial(c.address, c.config, time.Now().Add(timeout))
	if err != nil {
		return "", err
	}
	defer one.Close()
	err = one.exchange([]byte(request))
	return string(one.body), err
}

// Run makes requests. An answer other than 200 is an error.
func (c *Clients) Run(j Job) (Result, error) {
	n, end := j.How.clients(), time.Now().Add(j.Lasts+timeout)
	ask, err := c.asker(j, n, end)
	if err != nil {
		return Result{}, err
	}
	var (
		took   = make([][]time.Duration, n)
		failed = make([]error, n)
		wg     sync.WaitGroup
		begun  = time.Now()
	)
	for i := range n {
		wg.Go(func() {
			for now := time.Now(); now.Sub(begun) < j.Lasts; {
				if failed[i] = ask(i); failed[i] != nil {
					return
				}
				before := now
				now = time.Now()
				took[i] = append(took[i], now.Sub(before))
			}
		})
	}
	wg.Wait()
	all := slices.Concat(took...)
	return Result{Requests: len(all), Lasted: time.Since(begun), took: all}, errors.Join(failed...)
}

// asker returns what makes one request of a client, by its number.
func (c *Clients) asker(j Job, n int, end time.Time) (func(client int) error, error) {
	request := []byte(j.Request)
	switch j.How {
	case Kept:
		err := c.open(n, end)
		return func(i int) error {
			if c.kept[i].closing { // Kong does so after some thousand requests
				c.kept[i].Close()
				var err error
				if c.kept[i], err = dial(c.address, c.config, end); err != nil {
					return err
				}
			}
			return c.kept[i].exchange(request)
		}, err
	case New:
		return func(int) error {
			_, err := once(c.address, c.config, request, end)
			return err
		}, nil
	}
	err := c.remember(n, request, end)
	return func(i int) error {
		resumed, err := once(c.address, c.resume[i], request, end)
		if err == nil && !resumed {
			return errors.New("the TLS session was not resumed")
		}
		return err
	}, err
}

// open sees that n connections are kept.
func (c *Clients) open(n int, end time.Time) error {
	for len(c.kept) < n {
		one, err := dial(c.address, c.config, end)
		if err != nil {
			return err
		}
		c.kept = append(c.kept, one)
	}
	for _, one := range c.kept {
		if err := one.SetDeadline(end); err != nil {
			return err
		}
	}
	return nil
}

// remember sees that each of n clients has a session to resume.
func (c *Clients) remember(n int, request []byte, end time.Time) error {
	for len(c.resume) < n {
		config := c.config.Clone()
		config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
		c.resume = append(c.resume, config)
		if _, err := once(c.address, config, request, end); err != nil {
			return fmt.Errorf("making a session: %w", err)
		}
	}
	return nil
}

// once makes a request over a connection of its own.
func once(address string, config *tls.Config, request []byte, end time.Time) (resumed bool, err error) {
	one, err := dial(address, config, end)
	if err != nil {
		return false, err
	}
	defer one.Close()
	return one.ConnectionState().DidResume, one.exchange(request)
}

// Close closes the connections that are kept.
func (c *Clients) Close() {
	for _, one := range c.kept {
		one.Close()
	}
	c.kept = nil
}

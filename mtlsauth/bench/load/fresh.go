package load

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/bench/kong"
)

// prepare makes what a new connection shows before its time counts.
func (p *part) prepare(o Options) error {
	if o.More == "" {
		return nil
	}
	text, err := os.ReadFile(o.More)
	if err != nil {
		return err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		cert, err := tls.X509KeyPair(pem.EncodeToMemory(block), []byte(o.Key))
		if err != nil {
			return fmt.Errorf("reading %s: certificate %d: %w", o.More, len(p.more), err)
		}
		config := p.config.Clone()
		config.Certificates = []tls.Certificate{cert}
		p.more = append(p.more, config)
	}
	return nil
}

// runNew makes requests each of which comes with a connection and a certificate
// of its own. What one takes includes the handshake.
func (p *part) runNew(j Job, request []byte, n int, end time.Time) (kong.Result, error) {
	if len(p.more) == 0 {
		return kong.Result{}, errors.New("there are no further certificates")
	}
	var (
		begun   atomic.Int64
		took    = make([][]time.Duration, n)
		failed  = make([]error, n)
		wg      sync.WaitGroup
		started = time.Now()
	)
	for i := range n {
		wg.Go(func() {
			for time.Since(started) < j.Lasts {
				next := int(begun.Add(1) - 1)
				if next >= j.Most {
					return
				}
				before := time.Now()
				if failed[i] = p.once(p.more[(j.First+next)%len(p.more)], request, end); failed[i] != nil {
					begun.Store(int64(j.Most)) // for the others too
					return
				}
				took[i] = append(took[i], time.Since(before))
			}
		})
	}
	wg.Wait()
	lasted := time.Since(started)
	if err := errors.Join(failed...); err != nil {
		return kong.Result{}, err
	}
	return kong.ResultOf(slices.Concat(took...), lasted), nil
}

// once makes a request over a connection of its own.
func (p *part) once(config *tls.Config, request []byte, end time.Time) error {
	c, err := p.dial(config, end)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.exchange(request)
}

package revocation

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/crldir"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/revocation/ocsp"
	"mtls-auth/mtlsauth/internal/revocation/statedir"
)

// Fetcher makes HTTP exchanges.
type Fetcher interface {
	Do(ctx context.Context, r fetch.Request, how fetch.How, maxBytes int64) (*fetch.Response, error)
}

var _ Fetcher = (*fetch.Client)(nil)

// Options are what all configurations have in common.
type Options struct {
	Fetcher Fetcher
	// Folder is -crl-dir and State is -state-dir; nil for none.
	Folder *crldir.Folder
	State  *statedir.Dir
	// MaxCRLSize bounds a fetched CRL, in bytes.
	MaxCRLSize int64
	// MaxAnswers bounds the OCSP answers that are kept, at up to 1 KiB each; 0 is
	// 100,000.
	MaxAnswers int
	// Memory is shared with Folder: what all CRLs may take.
	Memory *Memory
	// MinRSABits is the least size of RSA keys that sign; 0 means 2048.
	MinRSABits int
	Log        *slog.Logger // nil: nowhere
}

const (
	maxAnswers = 100_000
	// maxLists bounds the CRLs by their number; Memory does by their size.
	maxLists = 2_000
	// maxRenewals bounds the renewals that run at once, so that requests find
	// permits.
	maxRenewals = 32
)

// Checker checks status for all configurations. It is safe for use by many
// requests at once.
type Checker struct {
	options Options
	log     *slog.Logger
	answers *table[ocsp.Answer]
	lists   *table[crlValue]
	revoked *revokedCertificates
	// replaced counts evidence that was replaced by other evidence that says
	// something else, whatever rests on it.
	replaced atomic.Uint64
	permits  *permits
	plan     *plan
	warnings *warnings
	issuers  interned
	// committed is how late the lists on disk are, at the least.
	committed latest
	postOnly  sync.Map // of postKey: responders that do not take GET
	posts     atomic.Int64

	unreachable *breaker[origin]
	silent      *breaker[silence]

	flights           shares
	waiting, renewals counter
}

// maxSilent is how many exchanges with an address may end without an answer in
// time before those for other certificates of the issuer are held back.
const maxSilent = 3

// New returns a checker. Its Run has to be called.
func New(o Options) *Checker {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxAnswers == 0 {
		o.MaxAnswers = maxAnswers
	}
	c := &Checker{
		options:     o,
		log:         o.Log,
		answers:     newTable(o.MaxAnswers, nil, laterAnswer),
		permits:     newPermits(),
		plan:        newPlan(),
		warnings:    newWarnings(o.Log),
		unreachable: newBreaker[origin](1),
		silent:      newBreaker[silence](maxSilent),
		flights:     shares{most: maxFlights},
		waiting:     counter{most: maxWaiting},
		renewals:    counter{most: maxRenewals},
	}
	c.revoked = newRevokedCertificates(&c.replaced)
	c.lists = newTable(maxLists, c.releaseLists, laterList)
	c.answers.replaced, c.lists.replaced = &c.replaced, &c.replaced
	return c
}

// Run renews what is in use, until ctx ends. Folder and State are run by whoever
// made them.
func (c *Checker) Run(ctx context.Context) { c.plan.run(ctx, c.now) }

func (c *Checker) now() time.Time { return time.Now() }

// Generation changes whenever the folder of CRLs does: what was decided before
// is over.
func (c *Checker) Generation() uint64 {
	if c.options.Folder == nil {
		return 0
	}
	return c.options.Folder.Generation()
}

// Replaced changes whenever evidence is replaced by other evidence that says
// something else, a revocation is added or taken back, or the folder of CRLs
// changes. Who keeps results and does not know their Basis drops all of them then.
func (c *Checker) Replaced() uint64 { return c.replaced.Load() + c.Generation() }

// launch has an exchange run by itself. It is called under the slot's lock and
// does not wait.
func launch[V any](c *Checker) func(*slot[V], *try[V], *flight) {
	return func(s *slot[V], t *try[V], f *flight) {
		anchor := t.question.anchor
		if !c.flights.enter(anchor) {
			t.flight = nil
			f.err = limitError("exchanges that run or wait", maxFlights)
			close(f.done)
			return
		}
		go func() {
			defer c.flights.leave(anchor)
			next, again := s.run(t, f, c.now)
			if errors.Is(f.err, errPanic) {
				c.log.Error("asking for certificate status", "panic", f.err)
			}
			if again {
				renewAt(c, s, t, next)
			}
		}()
	}
}

// renewAt plans a renewal.
func renewAt[V any](c *Checker, s *slot[V], t *try[V], at time.Time) {
	c.plan.add(at, func() {
		now := c.now()
		if !c.renewals.enter() {
			renewAt(c, s, t, now.Add(soon))
			return
		}
		started := false
		next, again := s.renew(t, now, func(s *slot[V], t *try[V], f *flight) {
			started = true
			launch[V](c)(s, t, f)
			go func() {
				<-f.done
				c.renewals.leave()
			}()
		})
		if !started {
			c.renewals.leave()
		}
		if again {
			renewAt(c, s, t, next)
		}
	})
}

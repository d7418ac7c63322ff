package revocation

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/cache"
	"mtls-auth/mtlsauth/internal/revocation/crldir"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
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
	// Exchanged is told of each exchange that was made: ocsp or crl, what came of it (see
	// outcome), and how long it took. nil: nothing is told.
	Exchanged func(kind, result string, took time.Duration)
}

const (
	maxAnswers = 100_000
	// maxLists bounds the CRLs by their number; Memory does by their size.
	maxLists = 2_000
)

// isOurs reports an error that says nothing of a certificate or an address: a
// limit of our own, or a fault in this program.
func isOurs(err error) bool { return errors.Is(err, ErrLimit) || errors.Is(err, cache.ErrPanic) }

// Checker checks status for all configurations. It is safe for use by many
// requests at once.
type Checker struct {
	options Options
	log     *slog.Logger
	answers *cache.Cache[ocspValue]
	lists   *cache.Cache[crlValue]
	revoked *revokedCertificates
	// replaced counts evidence that was replaced by other evidence that says
	// something else, whatever rests on it.
	replaced  atomic.Uint64
	exchanges *cache.Exchanges
	hosts     *breaker
	warnings  *warnings
	issuers   interned
	// committed is how late the lists on disk are, at the least.
	committed latest
	postOnly  sync.Map // of postKey: responders that do not take GET
	posts     atomic.Int64
}

// New returns a checker. Its Run has to be called.
func New(o Options) *Checker {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxAnswers == 0 {
		o.MaxAnswers = maxAnswers
	}
	c := &Checker{options: o, log: o.Log, hosts: newBreaker(), warnings: newWarnings(o.Log)}
	c.exchanges = cache.NewExchanges(func(err error) { c.log.Error("asking for certificate status", "panic", err) })
	c.revoked = newRevokedCertificates(&c.replaced)
	c.answers = cache.New(cache.Options[ocspValue]{
		Exchanges: c.exchanges, Most: o.MaxAnswers, Later: laterAnswer, Replaced: &c.replaced,
	})
	c.lists = cache.New(cache.Options[crlValue]{
		Exchanges: c.exchanges, Most: maxLists, Later: laterList, Replaced: &c.replaced, Release: c.releaseLists,
	})
	return c
}

// Run renews what is in use, until ctx ends. Folder and State are run by who made
// them.
func (c *Checker) Run(ctx context.Context) { c.exchanges.Run(ctx) }

// Replaced changes whenever evidence is replaced by other evidence that says
// something else, a revocation is added or taken back, or the folder of CRLs
// changes. Results from before are over then.
func (c *Checker) Replaced() uint64 {
	n := c.replaced.Load()
	if c.options.Folder != nil {
		n += c.options.Folder.Generation()
	}
	return n
}

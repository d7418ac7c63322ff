package revocation

import (
	"context"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
)

// Mode says what is done with a certificate whose status cannot be found out
// (revocation_check_mode). The zero value is the strictest.
type Mode uint8

const (
	// Strict refuses unless every certificate is known to be good.
	Strict Mode = iota
	// IgnoreCAError refuses what is revoked or unknown to its CA, and passes what
	// has no usable answer.
	IgnoreCAError
)

// Settings are how one configuration has its certificates checked.
type Settings struct {
	Mode Mode
	// HTTPTimeout is for each exchange, from connecting to the last byte.
	HTTPTimeout time.Duration
	// CertCacheTTL is how old an answer may be before it is fetched again.
	CertCacheTTL time.Duration
	// How is by which proxies, and whether TLS servers are verified.
	How fetch.How
}

type waitsKey struct{}

// WithWaits returns a context for Check, which calls waits when a request begins to
// wait for exchanges, and what that returns when it goes on: a place for work is not
// to be held by requests that wait.
func WithWaits(ctx context.Context, waits func() (goesOn func())) context.Context {
	return context.WithValue(ctx, waitsKey{}, waits)
}

const (
	// maxBudget bounds what all exchanges of one request take together: Kong
	// gives up after 60 s.
	maxBudget = 45 * time.Second
	// minCRLAge is the least time between two fetches of a CRL.
	minCRLAge = 5 * time.Minute
)

// budget is what a request may wait for all its exchanges together.
func (s Settings) budget() time.Duration { return min(2*s.HTTPTimeout, maxBudget) }

// Trust is what a configuration trusts, as far as status needs to know.
type Trust interface {
	// Configured reports a certificate that the configuration itself names.
	Configured(*certificate.Certificate) bool
	// CRLSigners returns a validated path to the trust anchor, the signer first, for
	// each certificate with this subject (a DER Name, in any spelling) that may sign
	// CRLs and for which signed is true (RFC 5280, section 6.3.3(f)).
	CRLSigners(name []byte, anchor *certificate.Certificate, signed func(*certificate.Certificate) bool) [][]*certificate.Certificate
	// OCSPResponders are those of the configured certificates that may sign OCSP
	// responses about any certificate (RFC 6960, section 4.2.2.2, "matches a local
	// configuration").
	OCSPResponders() []*certificate.Certificate
}

// Verdict is what came of a check. The zero value refuses. Of several paths that
// do not stand the lowest is told.
type Verdict uint8

const (
	// Unjudged: a limit of our own was reached, or nothing could be asked.
	Unjudged Verdict = iota
	// Revoked: the leaf is revoked, or a certificate on every path.
	Revoked
	// StatusUnknown: the status of a certificate cannot be had, or its CA does
	// not know it.
	StatusUnknown
	// Passed: there is a path on which nothing speaks against any certificate.
	Passed
)

// Result is what came of a check.
type Result struct {
	Verdict Verdict
	// Standing are the paths that passed, by their position; empty unless
	// Passed.
	Standing []int
	// Until is when to check again; zero where nothing was asked.
	Until time.Time
	// Notes say in a pass whose status could not be had, and why.
	Notes []string
	// Err is the cause of anything but a pass.
	Err error
}

package revocation

import (
	"context"
	"errors"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/cache"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
)

// asked is how an address is asked. What was answered counts for all; what
// failed, and what is under way, only for those who ask alike.
type asked struct {
	timeout time.Duration
	how     fetch.How
}

// endpoint is a URL to ask for an issuer and under a trust anchor, each known by its
// digest.
type endpoint struct {
	asked
	address string
	issuer  [32]byte
	anchor  cache.Anchor
}

// connect runs an exchange, when it may: there are limits, and what does not work
// for any request is not tried again at once. An error is ErrLimit where that was in
// the way.
func (c *Checker) connect(x *cache.Exchange, kind string, to endpoint, do func(ctx context.Context) error) error {
	h, err := hostOf(to)
	if err != nil {
		return err
	}
	// Not to wait for a place that will not be used.
	if err := c.hosts.check(h, to.timeout, time.Now(), false); err != nil {
		return err
	}
	leave, err := x.Enter()
	if err != nil {
		return err
	}
	defer leave()
	began := time.Now()
	if err := c.hosts.check(h, to.timeout, began, true); err != nil {
		return err
	}
	err = &fetch.Error{Kind: fetch.Canceled, Err: cache.ErrPanic} // unless it ends
	defer func() {
		now := time.Now()
		c.hosts.report(h, to.timeout, err, began, now)
		if c.options.Exchanged != nil {
			c.options.Exchanged(kind, outcome(err), now.Sub(began))
		}
	}()
	ctx, end := context.WithTimeout(context.Background(), to.timeout)
	defer end()
	err = do(ctx)
	return err
}

// The kinds of exchange.
const (
	kindOCSP = "ocsp"
	kindCRL  = "crl"
)

// outcome names what came of an exchange: ok, limit, unusable for a response that does not
// count, or else the kind of a fetch.Error.
func outcome(err error) string {
	failure, ok := errors.AsType[*fetch.Error](err)
	switch {
	case err == nil:
		return "ok"
	case isOurs(err):
		return "limit"
	case ok:
		return failure.Kind.String()
	}
	return "unusable"
}

// retry is when to try again what failed because others had; zero for anything
// else.
func retry(err error) time.Time {
	if broken, ok := errors.AsType[*brokenError](err); ok {
		return broken.next
	}
	return time.Time{}
}

// failed logs that an exchange came to nothing: requests say so only in so far
// as they wait for it.
func (c *Checker) failed(what, address string, err error) {
	if _, again := errors.AsType[*brokenError](err); again || errors.Is(err, ErrLimit) {
		return
	}
	c.warnings.warn(time.Now(), what, address, err)
}

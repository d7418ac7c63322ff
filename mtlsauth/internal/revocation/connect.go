package revocation

import (
	"context"
	"errors"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/address"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
)

// asked is how an address is asked. What was answered counts for all; what
// failed, and what is under way, only for those who ask alike.
type asked struct {
	timeout time.Duration
	how     fetch.How
}

// visit is an address to be visited for an issuer and under a trust anchor,
// each known by its digest.
type visit struct {
	asked
	address string
	issuer  [32]byte
	anchor  [32]byte
}

// connect runs the exchange of a flight, when it may: there are limits, and what does not
// work for anybody is not tried again at once. An error is ErrLimit where that
// was in the way.
func (c *Checker) connect(f *flight, v visit, do func(ctx context.Context) error) error {
	at, err := address.Parse(v.address)
	if err != nil {
		return err
	}
	host := origin{at.Address, v.how.Proxy(at.Address), at.Scheme == "https" && v.how.SSLVerify}
	quiet := silence{v.issuer, v.address, v.how}
	// Not to wait for a permit that will not be used.
	if err := join(c.unreachable.check(host, v.timeout, c.now()), c.silent.check(quiet, v.timeout, c.now())); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(context.Background(), maxBudget)
	defer cancel()
	release, err := c.permits.acquire(waiting, v.anchor, func() { f.held.Store(true) })
	if err != nil {
		return err
	}
	defer release()
	f.held.Store(false)
	began := c.now()
	if err := c.unreachable.allow(host, v.timeout, began); err != nil {
		return err
	}
	defer c.unreachable.over(host)
	if err := c.silent.allow(quiet, v.timeout, began); err != nil {
		return err
	}
	defer c.silent.over(quiet)
	ctx, end := context.WithTimeout(context.Background(), v.timeout)
	defer end()
	err = do(ctx)
	c.learn(host, quiet, v.timeout, err, began)
	return err
}

// learn tells the breakers what an exchange says of the host and the address.
func (c *Checker) learn(host origin, quiet silence, patience time.Duration, err error, began time.Time) {
	now := c.now()
	failure, ok := errors.AsType[*fetch.Error](err)
	if !ok { // it was answered, well or not
		c.unreachable.report(host, patience, nil, began, now)
		c.silent.report(quiet, patience, nil, began, now)
		return
	}
	switch failure.Kind {
	case fetch.Connect:
		c.unreachable.report(host, patience, err, began, now)
	case fetch.Timeout:
		c.unreachable.report(host, patience, nil, began, now)
		c.silent.report(quiet, patience, err, began, now)
	case fetch.Status, fetch.TooLarge, fetch.Protocol, fetch.Redirect:
		c.unreachable.report(host, patience, nil, began, now)
		c.silent.report(quiet, patience, nil, began, now)
	}
}

// failed logs that an exchange came to nothing: requests say so only in so far
// as they wait for it.
func (c *Checker) failed(what, address string, err error) {
	if _, again := errors.AsType[*brokenError](err); again || errors.Is(err, ErrLimit) {
		return
	}
	c.warnings.warn(c.now(), what, address, err)
}

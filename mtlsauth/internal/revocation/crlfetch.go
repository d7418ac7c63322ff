package revocation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/cache"
	"mtls-auth/mtlsauth/internal/revocation/crl"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/revocation/statedir"
)

// crlFetch is what it takes to fetch a CRL again and again. Whether a list
// is what it should be is judged for the certificate that was asked about last.
type crlFetch struct {
	checker *Checker
	endpoint
	target *crl.Target
	trust  Trust
	// The issuer and the trust anchor of the path.
	issuerCert, anchorCert *certificate.Certificate
	key                    cache.Key
	stored                 statedir.Key // on disk
}

// exchange fetches the list, if it has changed. What the disk knows comes
// first.
func (a *crlFetch) exchange(x *cache.Exchange, before crlValue, has bool) cache.Outcome[crlValue] {
	c := a.checker
	var kept cache.Outcome[crlValue]
	if !has {
		x.Ours(c.options.State != nil)
		kept = a.fromDisk()
		if kept.Got {
			if before = kept.Value; kept.Err == nil && time.Now().Before(kept.Known.Add(minCRLAge)) {
				return kept
			}
		}
	}
	out, err := a.fetch(x, before)
	if err != nil {
		c.failed("a CRL cannot be had or does not count", a.address, err)
	}
	if err == nil {
		a.warnOfEnd(out.Value.verified)
	}
	if !out.Got {
		// What the disk had serves until its time is over.
		kept.Err, kept.Retry = err, retry(err)
		return kept
	}
	if kept.Got {
		out.Change = cache.Replaced // the cache has not seen it yet
		c.releaseLists(kept.Value, out.Value)
	}
	out.Err, out.Retry = err, retry(err)
	return out
}

func (a *crlFetch) fetch(x *cache.Exchange, before crlValue) (cache.Outcome[crlValue], error) {
	c := a.checker
	var out cache.Outcome[crlValue]
	err := c.connect(x, kindCRL, a.endpoint, func(ctx context.Context) error {
		r := fetch.Request{Method: http.MethodGet, URL: a.address, Accept: "application/pkix-crl"}
		if before.verified != nil && a.target.Covers(before.verified) {
			r.IfNoneMatch, r.IfModifiedSince = before.etag, before.lastModified
		}
		response, err := c.options.Fetcher.Do(ctx, r, a.how, c.options.MaxCRLSize)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.Status == http.StatusNotModified {
			out, err = a.confirmed(before)
			return err
		}
		out, err = a.received(x, response, before)
		return err
	})
	return out, err
}

// warnOfEnd warns of a list that is late and the latest there is.
func (a *crlFetch) warnOfEnd(list *crl.List) {
	if now := time.Now(); list.Late(now) {
		a.checker.warnings.warn(now, "a CRL is in the last quarter of its life, and there is no later one", a.address,
			fmt.Errorf("its nextUpdate is %s", stamp(list.NextUpdate)))
	}
}

// confirmed is what a list is worth that has not changed.
func (a *crlFetch) confirmed(before crlValue) (cache.Outcome[crlValue], error) {
	if before.verified == nil {
		return cache.Outcome[crlValue]{}, errors.New("not modified, says the server, though it was not asked that")
	}
	now := time.Now()
	if !now.Before(before.verified.NextUpdate) {
		return cache.Outcome[crlValue]{}, fmt.Errorf("not modified, says the server, and past its nextUpdate of %s", stamp(before.verified.NextUpdate))
	}
	return cache.Outcome[crlValue]{Value: before, Got: true, Change: cache.Confirmed, Known: now, Until: before.verified.NextUpdate}, nil
}

// received reads a list from a response, and onto the disk.
func (a *crlFetch) received(x *cache.Exchange, response *fetch.Response, before crlValue) (cache.Outcome[crlValue], error) {
	c := a.checker
	body := io.Reader(response.Body)
	var disk *statedir.Writer
	if c.options.State != nil {
		if w, err := c.options.State.Create(statedir.CRL, a.stored, statedir.Meta{ETag: response.ETag, LastModified: response.LastModified}); err == nil {
			disk = w
			defer w.Abort() // unless it is committed
			body = io.TeeReader(body, tolerant{w, x})
		}
	}
	owner := before.owner(a.anchor)
	list, err := a.read(body, before, owner)
	if err != nil {
		return cache.Outcome[crlValue]{}, err
	}
	if known := before.verified; known != nil && scopeOf(list) == scopeOf(known) && !newer(list.ThisUpdate, known) {
		err = fmt.Errorf("it is of %s, older than one of %s that is known", stamp(list.ThisUpdate), stamp(known.ThisUpdate))
		c.options.Memory.shares.Give(owner, int64(list.Size()))
		return cache.Outcome[crlValue]{}, err
	}
	value := crlValue{anchor: owner, verified: list, etag: response.ETag, lastModified: response.LastModified}
	now := time.Now()
	signed, unfit := a.signed(list), list.Unfit(now)
	if signed == nil && !a.target.Covers(list) && before.verified != nil && now.Before(before.verified.NextUpdate) && a.target.Covers(before.verified) {
		// It was put in the place of the right list.
		signed = &crl.Error{Kind: crl.WrongScope, Err: errors.New("it says nothing of the certificate, as the one that is known does")}
	}
	if disk != nil && signed == nil && (unfit == nil || isKind(unfit, crl.Stale) || before.verified == nil) && c.committed.later(a.stored, list.ThisUpdate) {
		disk.Commit(now)
	}
	switch {
	case signed == nil && (unfit == nil || isKind(unfit, crl.Stale)):
		if known := before.candidate; known != nil && known.ThisUpdate.After(list.ThisUpdate) {
			value.candidate = known
		}
		return cache.Outcome[crlValue]{Value: value, Got: true, Known: now, Until: list.NextUpdate}, flawed(unfit)
	case signed == nil, isKind(signed, crl.BadSignature, crl.WrongIssuer, crl.Unauthorized):
		value = before
		value.anchor = owner
		value.candidate, value.candidateETag, value.candidateAt = list, response.ETag, response.LastModified
		return cache.Outcome[crlValue]{Value: value, Got: true}, join(signed, flawed(unfit))
	}
	c.options.Memory.shares.Give(owner, int64(list.Size()))
	return cache.Outcome[crlValue]{}, signed
}

// flawed is the error of a list that clears no certificate; nil for none.
func flawed(unfit error) error {
	if unfit == nil {
		return nil
	}
	return fmt.Errorf("the CRL clears no certificate: %w", unfit)
}

package revocation

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/cache"
	"mtls-auth/mtlsauth/internal/revocation/crl"
	"mtls-auth/mtlsauth/internal/revocation/statedir"
)

// signed reports by its error whether the list is signed by a key that may: that of
// the issuer, or of a certificate that validates to the same trust anchor.
func (a *crlFetch) signed(list *crl.List) error {
	minRSABits := a.checker.options.MinRSABits
	err := list.Verify(a.issuerCert, minRSABits)
	if err == nil {
		return nil
	}
	signed := func(cert *certificate.Certificate) bool { return list.Verify(cert, minRSABits) == nil }
	if len(a.trust.CRLSigners(list.RawIssuer, a.anchorCert, signed)) > 0 {
		return nil
	}
	return fmt.Errorf("judging the CRL: %w", err)
}

func isKind(err error, kinds ...crl.Kind) bool {
	refused, ok := errors.AsType[*crl.Error](err)
	return ok && slices.Contains(kinds, refused.Kind)
}

// tolerant is a writer whose failure fails nothing: Commit tells.
type tolerant struct {
	io.Writer
	exchange *cache.Exchange
}

func (t tolerant) Write(b []byte) (int, error) {
	t.exchange.Ours(true)
	t.Writer.Write(b)
	t.exchange.Ours(false)
	return len(b), nil
}

// read reads a list that may take the place of what is known.
func (a *crlFetch) read(body io.Reader, before crlValue, owner cache.Anchor) (*crl.List, error) {
	memory := a.checker.options.Memory
	known := before.verified
	if known != nil && !a.target.Covers(known) {
		known = nil // it is another list, whose time says nothing
	}
	var reserved int64
	// What would be over its share in any case pushes out no other anchor's lists.
	mayGo := func(n int) func(crlValue) bool {
		fits := memory.shares.Fits(owner, int64(n))
		return func(v crlValue) bool { return fits || v.anchor == owner }
	}
	list, err := crl.Read(body, crl.ReadOptions{
		MaxBytes: a.checker.options.MaxCRLSize,
		Expect: func(h crl.Header) error {
			if !a.target.MayIssue(h.RawIssuer) {
				return errors.New("it is another issuer's")
			}
			if !newer(h.ThisUpdate, known) {
				return fmt.Errorf("it is of %s, older than one of %s that is known", stamp(h.ThisUpdate), stamp(known.ThisUpdate))
			}
			return nil
		},
		Reserve: func(n int) error {
			for {
				err := memory.shares.Take(owner, int64(n))
				if err == nil {
					reserved += int64(n)
					return nil
				}
				if !a.checker.lists.DropIdle(a.key, mayGo(n)) {
					return err
				}
			}
		},
	})
	// From now on it is what the list takes that counts.
	memory.shares.Give(owner, reserved)
	if err != nil {
		return nil, fmt.Errorf("reading the CRL: %w", err)
	}
	memory.shares.Give(owner, -int64(list.Size()))
	return list, nil
}

// fromDisk returns the list that is kept on disk, judged as if it had just
// come. One whose time is over still says who is revoked.
func (a *crlFetch) fromDisk() cache.Outcome[crlValue] {
	c := a.checker
	if c.options.State == nil {
		return cache.Outcome[crlValue]{}
	}
	entry, content, err := c.options.State.Read(statedir.CRL, a.stored)
	if err != nil {
		return cache.Outcome[crlValue]{}
	}
	defer content.Close()
	list, err := a.read(content, crlValue{}, a.anchor)
	if err != nil {
		return cache.Outcome[crlValue]{}
	}
	if a.signed(list) != nil {
		c.options.Memory.shares.Give(a.anchor, int64(list.Size()))
		return cache.Outcome[crlValue]{}
	}
	c.committed.later(a.stored, list.ThisUpdate)
	unfit := list.Unfit(time.Now())
	if unfit != nil && !isKind(unfit, crl.Stale) {
		return cache.Outcome[crlValue]{Value: crlValue{anchor: a.anchor, candidate: list, candidateETag: entry.ETag, candidateAt: entry.LastModified}, Got: true, Err: flawed(unfit)}
	}
	value := crlValue{anchor: a.anchor, verified: list, etag: entry.ETag, lastModified: entry.LastModified}
	return cache.Outcome[crlValue]{Value: value, Got: true, Known: knownSince(entry, minCRLAge, time.Now()), Until: list.NextUpdate, Err: flawed(unfit)}
}

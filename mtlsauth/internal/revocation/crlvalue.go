package revocation

import (
	"time"

	"mtls-auth/mtlsauth/internal/revocation/cache"
	"mtls-auth/mtlsauth/internal/revocation/crl"
)

// crlValue is what an address has as a CRL for an issuer.
type crlValue struct {
	anchor cache.Anchor // on whose account its memory is
	// verified is a list whose signer was found.
	verified *crl.List
	// candidate is another that cannot clear a certificate now: one with a flaw, or
	// one whose signer was not among what the asking client had sent or the
	// configuration names. Others may have it.
	candidate *crl.List
	// What the server calls each of them (RFC 9110, section 8.8).
	etag, lastModified         string
	candidateETag, candidateAt string
}

// promoted makes a candidate the verified list once its signer is known.
func promoted(list *crl.List, now time.Time) func(crlValue) (value crlValue, known, until time.Time, ok bool) {
	return func(v crlValue) (crlValue, time.Time, time.Time, bool) {
		ok := v.candidate == list && newer(list.ThisUpdate, v.verified)
		return crlValue{anchor: v.anchor, verified: list, etag: v.candidateETag, lastModified: v.candidateAt}, now, list.NextUpdate, ok
	}
}

// owner is on whose account the memory of another list of the value is.
func (v crlValue) owner(anchor cache.Anchor) cache.Anchor {
	if v.verified != nil || v.candidate != nil {
		return v.anchor
	}
	return anchor
}

// newestFirst returns the lists by their time, of equals the candidate first.
func (v crlValue) newestFirst() []*crl.List {
	switch {
	case v.candidate == nil && v.verified == nil:
		return nil
	case v.candidate == nil:
		return []*crl.List{v.verified}
	case v.verified == nil:
		return []*crl.List{v.candidate}
	case v.verified.ThisUpdate.After(v.candidate.ThisUpdate):
		return []*crl.List{v.verified, v.candidate}
	}
	return []*crl.List{v.candidate, v.verified}
}

// releaseLists gives back the memory of lists that are not kept.
func (c *Checker) releaseLists(old, kept crlValue) {
	for _, l := range old.newestFirst() {
		if l != kept.verified && l != kept.candidate {
			c.options.Memory.shares.Give(old.anchor, int64(l.Size()))
		}
	}
}

// newer reports whether a list may take the place of another.
func newer(thisUpdate time.Time, known *crl.List) bool {
	return known == nil || !thisUpdate.Before(known.ThisUpdate)
}

// laterList reports whether a verified list is later than the one that is known,
// or is that one, with another candidate. What was known before and is not any more
// has been let go, and its memory given back.
func laterList(value, known, before crlValue) bool {
	for _, l := range value.newestFirst() {
		if (l == before.verified || l == before.candidate) && l != known.verified && l != known.candidate {
			return false
		}
	}
	return value.verified != nil && (known.verified == nil || value.verified == known.verified ||
		value.verified.ThisUpdate.After(known.verified.ThisUpdate))
}

package crl

import (
	"bytes"
	"slices"

	"mtls-auth/mtlsauth/internal/certificate"
)

// maxDeltas bounds the delta CRLs whose signatures are verified for one list,
// among those that are of its issuer and scope, later than it, and say something
// of the certificate or may be the current one.
const maxDeltas = 16

// deltas is what delta CRLs say beside a complete list.
type deltas struct {
	current  *List // the latest without flaw that applies to the list
	revoking *List // one that is later than the list and than current, and revokes
	signer   *certificate.Certificate
	flaw     *Error // of revoking
}

// deltas chooses among the delta CRLs of the issuer and scope of a list that are
// later than it. The latest that is without flaw, continues from the list and is
// signed by the same key is the current one. A later one that lists the
// certificate revokes it, whatever its flaws and whichever key that may signed it; and so does
// the current one. Over maxDeltas nothing is known: an error.
func (t *Target) deltas(l *List, signer *certificate.Certificate, o JudgeOptions) (deltas, *Error) {
	var later []*List
	for _, d := range o.Deltas {
		if d.updates(l) {
			later = append(later, d)
		}
	}
	slices.SortStableFunc(later, func(a, b *List) int {
		switch {
		case a.laterThan(b):
			return -1
		case b.laterThan(a):
			return 1
		}
		return 0
	})
	verified := 0
	for _, d := range later {
		flaw := d.deltaFlaw(l, o)
		reason, listed := d.Lookup(t.rawIssuer, t.serial)
		revokes := listed && reason != ReasonRemoveFromCRL && (reason != ReasonHold || !d.over(o.Now))
		if flaw != nil && !revokes {
			continue
		}
		if verified++; verified > maxDeltas {
			return deltas{}, refusef(TooLarge, "more than %d delta CRLs are later than the CRL", maxDeltas)
		}
		if flaw == nil && d.verify(signer, o.MinRSABits) == nil {
			if revokes {
				return deltas{current: d, revoking: d, signer: signer}, nil
			}
			return deltas{current: d}, nil
		}
		if !revokes {
			continue
		}
		if by, err := t.signer(d, o); err == nil {
			return deltas{revoking: d, signer: by, flaw: flaw}, nil
		}
	}
	return deltas{}, nil
}

// updates reports a delta CRL of the issuer and scope of a complete list that is
// later than it.
func (l *List) updates(complete *List) bool {
	return l.BaseNumber != nil && l.laterThan(complete) &&
		certificate.Compare(l.RawIssuer, complete.RawIssuer) != certificate.Different &&
		sameIDP(l.IssuingDistributionPoint, complete.IssuingDistributionPoint)
}

// laterThan compares by CRL number, or by thisUpdate where one has none.
func (l *List) laterThan(other *List) bool {
	if l.Number != nil && other.Number != nil {
		return l.Number.Cmp(other.Number) > 0
	}
	return l.ThisUpdate.After(other.ThisUpdate)
}

// deltaFlaw is flaw for a delta CRL beside a complete list (RFC 5280, sections
// 5.2.4 and 6.3.3 (c)): it continues from that or from an earlier one.
func (l *List) deltaFlaw(complete *List, o JudgeOptions) *Error {
	switch err := l.own(o.Now); {
	case err != nil:
		return err
	case complete.Number == nil || complete.Number.Cmp(l.BaseNumber) < 0:
		return refuse(WrongScope, "delta CRL continues from a later CRL")
	case certificate.Compare(l.RawIssuer, complete.RawIssuer) != certificate.Certain:
		return refuse(WrongIssuer, "delta CRL may be of another issuer")
	}
	return nil
}

func sameIDP(a, b *IssuingDistributionPoint) bool {
	if a == nil || b == nil {
		return a == b
	}
	return bytes.Equal(a.Raw, b.Raw)
}

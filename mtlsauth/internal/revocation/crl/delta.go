package crl

import (
	"bytes"
	"crypto/x509"
)

// maxDeltas bounds the delta CRLs that are tried with one list.
const maxDeltas = 16

// deltas chooses among the delta CRLs that apply to a list: the current one
// with the highest number, and before it one that is past its nextUpdate, later
// than that, and revokes the certificate for good. One that does not apply, or
// is wrong in itself, is passed over: the complete list then has to do, if it
// is current.
func (t *Target) deltas(l *List, signer *x509.Certificate, o JudgeOptions) (current, late *List) {
	for _, d := range o.Deltas[:min(len(o.Deltas), maxDeltas)] {
		if !d.appliesTo(l) || d.usable(o.Now) != nil || d.verify(signer, o.MinRSABits) != nil {
			continue
		}
		if !o.Now.After(d.NextUpdate) {
			if current == nil || d.Number.Cmp(current.Number) > 0 {
				current = d
			}
			continue
		}
		reason, listed := d.Lookup(t.rawIssuer, t.serial)
		if listed && isFinal(reason) && (late == nil || d.Number.Cmp(late.Number) > 0) {
			late = d
		}
	}
	if late != nil && current != nil && late.Number.Cmp(current.Number) <= 0 {
		late = nil
	}
	return current, late
}

// appliesTo is RFC 5280, sections 5.2.4 and 6.3.3 (c): a delta CRL is of the
// issuer, scope and key of the complete list, goes on from it or from an
// earlier one, and is later. The list has a number (usable).
func (l *List) appliesTo(complete *List) bool {
	return l.BaseNumber != nil && l.Number != nil &&
		bytes.Equal(l.RawIssuer, complete.RawIssuer) &&
		sameIDP(l.IssuingDistributionPoint, complete.IssuingDistributionPoint) &&
		(complete.RawAuthorityKeyID == nil || bytes.Equal(l.RawAuthorityKeyID, complete.RawAuthorityKeyID)) &&
		complete.Number.Cmp(l.BaseNumber) >= 0 &&
		complete.Number.Cmp(l.Number) < 0
}

func sameIDP(a, b *IssuingDistributionPoint) bool {
	if a == nil || b == nil {
		return a == b
	}
	return bytes.Equal(a.Raw, b.Raw)
}

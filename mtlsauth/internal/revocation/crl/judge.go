package crl

import (
	"bytes"
	"crypto/x509"
	"time"
)

// skew is how far the clock of who issues a list may be ahead of ours. There is
// none for nextUpdate: lists overlap.
const skew = 5 * time.Minute

// maxSigners bounds the certificates beside the issuer's that are tried for one
// list. CAs have two or three of one name, while they change keys.
const maxSigners = 32

// JudgeOptions is what Judge goes by beside certificate and list.
type JudgeOptions struct {
	// Now is the time to judge at; it is required.
	Now time.Time
	// MinRSABits is as for signature.CheckIssuerKey.
	MinRSABits int
	// Deltas are delta CRLs that may apply; of those that do the one with the
	// highest number counts.
	Deltas []*List
	// Signers returns certificates of this name (DER) that validated to the
	// same trust anchor as the certificate. It is asked only where the issuer's
	// own certificate did not sign the list; nil is none.
	Signers func(rawName []byte) []*x509.Certificate
}

// Outcome is what a list says about a certificate. The zero value says nothing.
type Outcome struct {
	// Revoked: the certificate is on the list.
	Revoked bool
	// Hold: it is for a reason that may pass, certificateHold.
	Hold bool
	// Stale: what revokes it is past its nextUpdate. Never with Hold.
	Stale bool
	// Reason is why.
	Reason Reason
	// Reasons are those that the list has spoken about. Where Revoked is false
	// the certificate is good for these alone; the union over several lists has
	// to be AllReasons.
	Reasons ReasonMask
	// ThisUpdate is that of the list, or of the delta CRL that was used with it.
	ThisUpdate time.Time
	// Until is when the outcome ends: the first nextUpdate of what it rests on.
	Until time.Time
	// Signer is who signed the list where it was not the certificate's issuer:
	// its own status is the caller's to check. nil otherwise.
	Signer *x509.Certificate
}

// Judge is RFC 5280, section 6.3.3 (b) to (l), for one list. An error is an
// *Error and means that the list is of no use here, never that the certificate
// is good or revoked.
//
// The list has to be current: thisUpdate at most five minutes ahead of Now, Now
// not after nextUpdate. There are two exceptions. A list past its nextUpdate
// still revokes what is on it for good, and so does a delta CRL. And it is
// still of use with a current delta CRL that applies to it.
func (t *Target) Judge(l *List, o JudgeOptions) (Outcome, error) {
	out, err := t.judge(l, o)
	if err != nil {
		return Outcome{}, err
	}
	return out, nil
}

func (t *Target) judge(l *List, o JudgeOptions) (Outcome, *Error) {
	if o.Now.IsZero() {
		return Outcome{}, refuse(Unspecified, "no time to judge at")
	}
	if l.BaseNumber != nil {
		return Outcome{}, refuse(WrongScope, "a delta CRL without the complete one")
	}
	if err := l.usable(o.Now); err != nil {
		return Outcome{}, err
	}
	reasons, err := t.scope(l)
	if err != nil {
		return Outcome{}, err
	}
	signer, err := t.signer(l, o)
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{Reasons: reasons}
	if signer != t.issuer {
		out.Signer = signer
	}
	current, late := t.deltas(l, signer, o)
	if late != nil {
		reason, _ := late.Lookup(t.rawIssuer, t.serial)
		return out.revoked(reason, late, true), nil
	}
	if current != nil {
		if reason, listed := current.Lookup(t.rawIssuer, t.serial); listed {
			out.spansWith(l, current, o.Now)
			return out.listed(reason), nil
		}
	}
	reason, listed := l.Lookup(t.rawIssuer, t.serial)
	if stale := o.Now.After(l.NextUpdate); stale && current == nil {
		if listed && isFinal(reason) {
			return out.revoked(reason, l, true), nil
		}
		return Outcome{}, refuse(Stale, "CRL is past its nextUpdate, "+l.NextUpdate.Format(time.RFC3339))
	}
	if listed && reason == ReasonRemoveFromCRL {
		return Outcome{}, refuse(Malformed, "complete CRL says removeFromCRL of the certificate")
	}
	out.spansWith(l, current, o.Now)
	if listed {
		return out.listed(reason), nil
	}
	return out, nil
}

// usable refuses a list for what it lacks (RFC 5280, sections 5.1.2.5 and
// 5.2.3), or whose time has not come.
func (l *List) usable(now time.Time) *Error {
	switch {
	case l.Number == nil:
		return refuse(Incomplete, "CRL is without CRL number")
	case l.NextUpdate.IsZero():
		return refuse(Incomplete, "CRL is without nextUpdate")
	case l.ThisUpdate.After(now.Add(skew)):
		return refuse(NotYetValid, "CRL is from the future: thisUpdate is "+l.ThisUpdate.Format(time.RFC3339))
	}
	return nil
}

// signer returns the certificate that signed the list and might: section 6.3.3
// (f) and (g).
func (t *Target) signer(l *List, o JudgeOptions) (*x509.Certificate, *Error) {
	var first *Error
	if bytes.Equal(l.RawIssuer, t.issuer.RawSubject) {
		if first = l.verify(t.issuer, o.MinRSABits); first == nil {
			return t.issuer, nil
		}
	}
	if o.Signers != nil {
		candidates := o.Signers(l.RawIssuer)
		for _, candidate := range candidates[:min(len(candidates), maxSigners)] {
			err := mayIssueCRLs(candidate)
			if err == nil {
				err = l.verify(candidate, o.MinRSABits)
			}
			if err == nil {
				return candidate, nil
			}
			// That a signature is not the issuer's says less than what is
			// wrong with who made it.
			if first == nil || first.Kind == BadSignature {
				first = err
			}
		}
	}
	if first == nil {
		first = refuse(WrongIssuer, "no certificate of the CRL's issuer is known")
	}
	return nil, first
}

// mayIssueCRLs refuses what nobody has made to sign CRLs. RFC 5280 does without
// cRLSign where there is no key usage; from a certificate that is no CA's, and
// not the issuer's, that is not enough.
func mayIssueCRLs(cert *x509.Certificate) *Error {
	if !hasKeyUsage(cert) && !(cert.BasicConstraintsValid && cert.IsCA) {
		return refuse(Unauthorized, "the CRL's signer is no CA and has no key usage")
	}
	return nil
}

// isFinal reports a reason that no later list takes back.
func isFinal(r Reason) bool { return r != ReasonHold && r != ReasonRemoveFromCRL }

// listed returns the outcome for an entry: removeFromCRL, in a delta CRL, is
// the status before there was one (section 6.3.3 (k)).
func (out Outcome) listed(reason Reason) Outcome {
	if reason == ReasonRemoveFromCRL {
		return out
	}
	out.Revoked, out.Hold, out.Reason = true, reason == ReasonHold, reason
	return out
}

// revoked returns the outcome for an entry of one list alone.
func (out Outcome) revoked(reason Reason, by *List, stale bool) Outcome {
	out = out.listed(reason)
	out.Stale, out.ThisUpdate, out.Until = stale, by.ThisUpdate, by.NextUpdate
	return out
}

// spansWith sets the times. A complete list that is itself past its nextUpdate
// lives by its delta.
func (out *Outcome) spansWith(l, delta *List, now time.Time) {
	out.ThisUpdate, out.Until = l.ThisUpdate, l.NextUpdate
	if delta == nil {
		return
	}
	if delta.ThisUpdate.After(out.ThisUpdate) {
		out.ThisUpdate = delta.ThisUpdate
	}
	if now.After(out.Until) || delta.NextUpdate.Before(out.Until) {
		out.Until = delta.NextUpdate
	}
}

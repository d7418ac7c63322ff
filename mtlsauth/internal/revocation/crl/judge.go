package crl

import (
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
)

// skew is how far the clock of a list's issuer may be ahead of ours. There is
// none for nextUpdate: lists overlap.
const skew = 5 * time.Minute

// JudgeOptions is what Judge goes by beside certificate and list.
type JudgeOptions struct {
	// Now is the time to judge at. At its zero value no list clears a certificate.
	Now time.Time
	// MinRSABits is as for signature.CheckIssuerKey.
	MinRSABits int
	// Deltas are delta CRLs that may apply.
	Deltas []*List
	// Signers returns those of the certificates with this name (DER) for which
	// signed is true and which validated to the same trust anchor as the
	// certificate. It is asked only where the issuer's own certificate did not
	// sign the list; nil is none.
	Signers func(rawName []byte, signed func(*certificate.Certificate) bool) []*certificate.Certificate
}

// Outcome is what a list says about a certificate. The zero value says nothing.
type Outcome struct {
	// Revoked: the certificate is on the list.
	Revoked bool
	// Hold: it is for a reason that may pass, certificateHold.
	Hold bool
	// Reason is why.
	Reason Reason
	// Flaw is why what revokes the certificate would clear none; nil for nothing.
	// Where Revoked is false it is always nil.
	Flaw *Error
	// Reasons are those that the list has spoken about. Where Revoked is false
	// the certificate is good for these alone; the union over several lists has
	// to be AllReasons.
	Reasons ReasonMask
	// ThisUpdate is that of the list, or of the delta CRL that was used with it,
	// at most the time to judge at.
	ThisUpdate time.Time
	// Until is when the outcome ends: the first nextUpdate of what it rests on;
	// zero where there is none.
	Until time.Time
	// Signer is the certificate that signed the list where it was not the
	// certificate's issuer: its own status is the caller's to check. nil otherwise.
	Signer *certificate.Certificate
}

// Judge is RFC 5280, section 6.3.3 (b) to (l), for one list. An error is an
// *Error and means that the list is of no use here, never that the certificate
// is good or revoked.
//
// To clear a certificate a list has to be without flaw: of version 2, complete,
// with a CRL number, understood in all that is critical, about the certificate
// without doubt, and current: thisUpdate at most five minutes ahead of Now, Now
// not after nextUpdate, or a current delta CRL that applies to it. Whatever its
// flaws, a list revokes what it lists, but for a certificateHold past nextUpdate;
// and so does a delta CRL that is later than the list.
func (t *Target) Judge(l *List, o JudgeOptions) (Outcome, error) {
	out, err := t.judge(l, o)
	return out, plain(err)
}

func (t *Target) judge(l *List, o JudgeOptions) (Outcome, *Error) {
	reasons, match, err := t.scope(l)
	if err != nil {
		return Outcome{}, err
	}
	signer, err := t.signer(l, o)
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{Reasons: reasons, Signer: t.other(signer)}
	flaw := l.flaw(o.Now)
	if match != certificate.Certain && flaw == nil {
		flaw = refuse(WrongScope, "CRL has a name of which it is not certain that the certificate has it too")
	}
	deltas, err := t.deltas(l, signer, o)
	if err != nil {
		// Whether one of them takes it back is not known.
		if reason, listed := l.Lookup(t.rawIssuer, t.serial); listed && reason != ReasonRemoveFromCRL && (reason != ReasonHold || !l.over(o.Now)) {
			return out.revoked(reason, l, err, o.Now), nil
		}
		return Outcome{}, err
	}
	current := deltas.current
	if d := deltas.revoking; d != nil {
		reason, _ := d.Lookup(t.rawIssuer, t.serial)
		out.Signer = t.other(deltas.signer)
		return out.revoked(reason, d, deltas.flaw, o.Now), nil
	}
	if current != nil {
		if flaw != nil && flaw.Kind == Stale {
			flaw = nil
		}
		if reason, listed := current.Lookup(t.rawIssuer, t.serial); listed && reason == ReasonRemoveFromCRL && flaw == nil {
			out.spansWith(l, current, o.Now)
			return out, nil
		}
	}
	reason, listed := l.Lookup(t.rawIssuer, t.serial)
	switch {
	case listed && reason == ReasonRemoveFromCRL && flaw == nil:
		return Outcome{}, refuse(Malformed, "complete CRL says removeFromCRL of the certificate")
	case listed && reason != ReasonRemoveFromCRL && (reason != ReasonHold || current != nil || !l.over(o.Now)):
		out = out.revoked(reason, l, flaw, o.Now)
		if current != nil {
			out.spansWith(l, current, o.Now)
		}
		return out, nil
	case flaw != nil:
		return Outcome{}, flaw
	}
	out.spansWith(l, current, o.Now)
	return out, nil
}

// other is a signer that is not the certificate's issuer.
func (t *Target) other(signer *certificate.Certificate) *certificate.Certificate {
	if signer == t.issuer {
		return nil
	}
	return signer
}

func (l *List) over(now time.Time) bool { return !l.NextUpdate.IsZero() && now.After(l.NextUpdate) }

// Late reports a list in the last quarter of its life: its issuer should have issued
// another.
func (l *List) Late(now time.Time) bool {
	return l.NextUpdate.Sub(now) <= l.NextUpdate.Sub(l.ThisUpdate)/4
}

// Unfit is why the list clears no certificate at an instant, whatever it is about;
// nil where it does.
func (l *List) Unfit(now time.Time) error {
	return plain(l.flaw(now))
}

func (l *List) flaw(now time.Time) *Error {
	if l.Flaw == nil && l.BaseNumber != nil {
		return refuse(WrongScope, "a delta CRL without the complete one")
	}
	return l.own(now)
}

// own is flaw of a complete list or a delta CRL by itself (RFC 5280, sections
// 5.1.2.5, 5.2.3 and others). That it is over comes last.
func (l *List) own(now time.Time) *Error {
	switch {
	case l.Flaw != nil:
		return l.Flaw
	case l.Number == nil:
		return refuse(Incomplete, "CRL is without CRL number")
	case l.NextUpdate.IsZero():
		return refuse(Incomplete, "CRL is without nextUpdate")
	case l.ThisUpdate.After(now.Add(skew)):
		return refuse(NotYetValid, "CRL is from the future: thisUpdate is "+l.ThisUpdate.Format(time.RFC3339))
	case l.over(now):
		return refuse(Stale, "CRL is past its nextUpdate, "+l.NextUpdate.Format(time.RFC3339))
	}
	return nil
}

// revoked returns the outcome for an entry of one list alone.
func (out Outcome) revoked(reason Reason, by *List, flaw *Error, now time.Time) Outcome {
	out.Revoked, out.Hold, out.Reason, out.Flaw = true, reason == ReasonHold, reason, flaw
	out.ThisUpdate, out.Until = by.ThisUpdate, by.NextUpdate
	if out.ThisUpdate.After(now.Add(skew)) {
		// Else nothing would take it back before that time has come.
		out.ThisUpdate = now
	}
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

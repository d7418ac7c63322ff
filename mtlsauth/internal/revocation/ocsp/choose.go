package ocsp

import (
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
)

var errNotAbout = refuse(OtherCertificate, "it is not about the certificate")

// about returns the entries about the certificate in question. Of entries with the
// key and serial number of the question, and a name that may be the issuer's in
// another spelling, those that revoke count.
func (r *response) about(q question) (entries []entry) {
	for _, e := range r.entries {
		match := q.asks(e.id)
		if match == certificate.Certain || match == certificate.Possible && e.status == Revoked {
			entries = append(entries, e)
		}
	}
	return entries
}

// unusable is why the response clears no certificate at an instant.
func (r *response) unusable(now time.Time) error {
	if r.flaw == nil && r.producedAt.After(now.Add(Skew)) {
		return refuse(NotYetValid, "producedAt is in the future: "+r.producedAt.Format(time.RFC3339))
	}
	return r.flaw
}

// lasting returns the revocation that counts whatever is wrong with it. JudgeLasting
// says which.
func (r *response) lasting(entries []entry, now time.Time) (entry, bool) {
	if r.unusable(now) == nil {
		if chosen, err := current(entries, now); err == nil {
			return chosen, chosen.lasts(now)
		}
	}
	return newest(entries, func(e *entry) bool { return e.lasts(now) })
}

// current returns the entry that counts now. Judge says which.
func current(entries []entry, now time.Time) (entry, error) {
	usable := func(e *entry) bool { return e.unusable(now) == nil }
	best, found := newest(entries, usable)
	other, otherFound := newest(entries, func(e *entry) bool { return !usable(e) && (!found || e.lasts(now)) })
	if !found || otherFound && other.supersedes(&best) {
		return entry{}, other.unusable(now)
	}
	return best, nil
}

// unusable is why an entry clears no certificate at an instant.
func (e *entry) unusable(now time.Time) error {
	switch {
	case e.flaw != nil:
		return e.flaw
	case e.thisUpdate.After(now.Add(Skew)):
		return refuse(NotYetValid, "thisUpdate is in the future: "+e.thisUpdate.Format(time.RFC3339))
	case now.After(e.until()):
		return refuse(Stale, "its time was over at "+e.until().Format(time.RFC3339))
	}
	return nil
}

// lasts reports a revocation that counts whatever else is wrong with it: one that
// is final, or a certificateHold whose time is not over.
func (e *entry) lasts(now time.Time) bool {
	return e.rank() == final || e.status == Revoked && !now.After(e.until())
}

// newest returns the entry that supersedes the others among those for which
// counts is true, the first of equals.
func newest(entries []entry, counts func(*entry) bool) (entry, bool) {
	var best *entry
	for i := range entries {
		if e := &entries[i]; counts(e) && (best == nil || e.supersedes(best)) {
			best = e
		}
	}
	if best == nil {
		return entry{}, false
	}
	return *best, true
}

// supersedes reports whether e counts rather than other.
func (e *entry) supersedes(other *entry) bool {
	if !e.thisUpdate.Equal(other.thisUpdate) {
		return e.thisUpdate.After(other.thisUpdate)
	}
	return e.rank() > other.rank()
}

// final is the rank of a revocation that is not certificateHold.
const final = 3

// rank orders statuses given at the same time, the worst last.
func (e *entry) rank() int {
	switch {
	case e.status == Good:
		return 0
	case e.status == Unknown:
		return 1
	case e.reason == CertificateHold:
		return 2
	}
	return final
}

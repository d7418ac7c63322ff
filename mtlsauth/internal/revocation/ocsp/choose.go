package ocsp

import "time"

// about returns the entries about the certificate in question, one at least. It
// judges what does not depend on which of them counts; the signature has to be
// verified before.
func (r *response) about(q question, now time.Time) ([]entry, error) {
	if r.critical {
		return nil, refuse(Critical, "unknown critical extension in the response")
	}
	if r.producedAt.After(now.Add(Skew)) {
		return nil, refuse(NotYetValid, "producedAt is in the future: "+r.producedAt.Format(time.RFC3339))
	}
	var entries []entry
	for _, e := range r.entries {
		if !q.asks(e.id) {
			continue
		}
		// What the extension changes is not known, so neither is which entry
		// would count.
		if e.critical {
			return nil, refuse(Critical, "unknown critical extension in the entry for the certificate")
		}
		entries = append(entries, e)
	}
	if len(entries) == 0 {
		return nil, refuse(OtherCertificate, "it is not about the certificate")
	}
	return entries, nil
}

// current returns the entry that counts now. Judge says which.
func current(entries []entry, now time.Time) (entry, error) {
	come := func(e *entry) bool { return !e.thisUpdate.After(now.Add(Skew)) }
	over := func(e *entry) bool { return now.After(e.until()) }
	best, found := newest(entries, func(e *entry) bool { return come(e) && !over(e) })
	stale, staleFound := newest(entries, func(e *entry) bool { return come(e) && over(e) })
	switch {
	case !found && !staleFound:
		return entry{}, refuse(NotYetValid, "thisUpdate is in the future")
	case !found:
		return entry{}, refuse(Stale, "its time was over at "+stale.until().Format(time.RFC3339))
	case staleFound && stale.rank() == final && stale.supersedes(&best):
		return entry{}, refuse(Stale, "the time of the latest entry, a revocation, was over at "+stale.until().Format(time.RFC3339))
	}
	return best, nil
}

// newest returns the entry that supersedes the others among those for which
// usable is true, the first of equals.
func newest(entries []entry, usable func(*entry) bool) (entry, bool) {
	var best *entry
	for i := range entries {
		if e := &entries[i]; usable(e) && (best == nil || e.supersedes(best)) {
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

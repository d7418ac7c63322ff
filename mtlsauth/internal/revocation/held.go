package revocation

import (
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/crl"
)

// Held is what the checker has.
type Held struct {
	Answers, Lists int   // cache entries: OCSP responses, fetched CRLs
	ListBytes      int64 // of all CRLs, those of the folder too
	// NextUpdate is, for each issuer of CRLs (RFC 4514), the first nextUpdate among the
	// latest of its complete lists, of which there is one for each scope.
	NextUpdate map[string]time.Time
}

// Held returns what the checker has now.
func (c *Checker) Held() Held {
	h := Held{Answers: c.answers.Len(), Lists: c.lists.Len(), NextUpdate: make(map[string]time.Time)}
	if c.options.Memory != nil {
		h.ListBytes = c.options.Memory.shares.Used()
	}
	latest := make(map[string]*crl.List) // by issuer and scope
	note := func(l *crl.List) {
		if l.BaseNumber != nil || l.NextUpdate.IsZero() {
			return
		}
		key := string(l.RawIssuer) + scopeOf(l)
		if known := latest[key]; known == nil || l.ThisUpdate.After(known.ThisUpdate) {
			latest[key] = l
		}
	}
	if c.options.Folder != nil {
		for _, l := range c.options.Folder.All() {
			note(l)
		}
	}
	c.lists.Each(func(v crlValue) {
		if v.verified != nil {
			note(v.verified)
		}
	})
	for _, l := range latest {
		issuer := cut(certificate.DistinguishedName(l.RawIssuer))
		h.NextUpdate[issuer] = earliest(h.NextUpdate[issuer], l.NextUpdate)
	}
	return h
}

package revocation

import (
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/cache"
	"mtls-auth/mtlsauth/internal/revocation/crl"
)

// ErrLimit is a limit of our own: nothing that is known of a certificate. It
// never lets a request in, in any mode.
var ErrLimit = cache.ErrLimit

// Memory is what CRLs may take in all, in bytes: fetched ones, those of a
// folder, and those that are being read. What is fetched is shared out by trust
// anchor.
type Memory struct{ shares *cache.Shares }

// NewMemory returns so many bytes of it.
func NewMemory(bytes int64) *Memory { return &Memory{cache.NewShares("bytes for CRLs", bytes)} }

// Reserve takes bytes for what the operator has chosen, which has no share, or
// refuses with ErrLimit. Release gives them back.
func (m *Memory) Reserve(bytes int) error { return m.shares.Take(cache.Anchor{}, int64(bytes)) }

// Release is described at Reserve.
func (m *Memory) Release(bytes int) { m.shares.Give(cache.Anchor{}, int64(bytes)) }

// Usage is what the checker keeps.
type Usage struct {
	Answers, Lists int   // cache entries: OCSP responses, fetched CRLs
	ListBytes      int64 // of all CRLs, those of the folder too
	// NextUpdate is, for each issuer of CRLs (RFC 4514), the first nextUpdate among the
	// latest of its complete lists, of which there is one for each scope.
	NextUpdate map[string]time.Time
}

// Usage returns what the checker keeps now.
func (c *Checker) Usage() Usage {
	u := Usage{Answers: c.answers.Len(), Lists: c.lists.Len(), NextUpdate: make(map[string]time.Time)}
	if c.options.Memory != nil {
		u.ListBytes = c.options.Memory.shares.Used()
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
		u.NextUpdate[issuer] = earliest(u.NextUpdate[issuer], l.NextUpdate)
	}
	return u
}

package revocation

import "mtls-auth/mtlsauth/internal/revocation/cache"

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

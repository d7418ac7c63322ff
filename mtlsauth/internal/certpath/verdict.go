package certpath

import (
	"crypto/sha256"
	"sync"

	"mtls-auth/mtlsauth/internal/certificate"
)

// maxVerdicts bounds what is remembered, at some 50 bytes each.
const maxVerdicts = 10_000

// verdicts remembers of configured certificates whether they are self-signed:
// a Trust is made within a request whenever one of them has changed, and two
// hundred signatures on P-384 would take that request 120 ms.
var verdicts = memory{known: map[[sha256.Size]byte]bool{}}

// memory keeps verdicts on certificates by all of their bytes, on which alone
// a verdict may depend.
type memory struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]bool
}

// of returns the verdict on cert, which it asks for at the first time.
func (m *memory) of(cert *certificate.Certificate, judge func(*certificate.Certificate) bool) bool {
	id := sha256.Sum256(cert.Raw)
	m.mu.Lock()
	verdict, known := m.known[id]
	m.mu.Unlock()
	if known {
		return verdict
	}
	verdict = judge(cert)
	m.mu.Lock()
	defer m.mu.Unlock()
	// Certificates that are configured no longer are not told apart, so all
	// go; those in use come back at the next change.
	if len(m.known) >= maxVerdicts {
		clear(m.known)
	}
	m.known[id] = verdict
	return verdict
}

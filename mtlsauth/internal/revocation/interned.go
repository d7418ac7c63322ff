package revocation

import (
	"crypto/sha256"
	"sync"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/statedir"
)

// interned keeps one parsed certificate of those that are equal: an issuer that
// clients send along is parsed again with each of them.
type interned struct {
	mu    sync.Mutex
	certs map[[sha256.Size]byte]*certificate.Certificate
}

// maxInterned bounds them. What is dropped stays with who uses it.
const maxInterned = 1000

// of returns the certificate to keep, and its digest.
func (i *interned) of(cert *certificate.Certificate) (*certificate.Certificate, [sha256.Size]byte) {
	id := sha256.Sum256(cert.Raw)
	i.mu.Lock()
	defer i.mu.Unlock()
	if known, ok := i.certs[id]; ok {
		return known, id
	}
	if i.certs == nil || len(i.certs) >= maxInterned {
		i.certs = make(map[[sha256.Size]byte]*certificate.Certificate)
	}
	i.certs[id] = cert
	return cert, id
}

// latest remembers the latest instant for each of some keys, so that of two who
// write to one place the one that is behind does not.
type latest struct {
	mu sync.Mutex
	at map[statedir.Key]time.Time
}

// later reports an instant that is not before the one that is remembered, which
// it then is.
func (l *latest) later(key statedir.Key, at time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at.Before(l.at[key]) {
		return false
	}
	if l.at == nil || len(l.at) >= maxLists {
		l.at = make(map[statedir.Key]time.Time)
	}
	l.at[key] = at
	return true
}

package revocation

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"
)

// interned keeps one parsed certificate of those that are equal: an issuer that
// clients send along is parsed anew with each of them.
type interned struct {
	mu    sync.Mutex
	certs map[[sha256.Size]byte]*x509.Certificate
}

// maxInterned bounds them. What is dropped stays with who uses it.
const maxInterned = 1000

// of returns the certificate to keep, and its digest.
func (i *interned) of(cert *x509.Certificate) (*x509.Certificate, [sha256.Size]byte) {
	id := sha256.Sum256(cert.Raw)
	i.mu.Lock()
	defer i.mu.Unlock()
	if known, ok := i.certs[id]; ok {
		return known, id
	}
	if i.certs == nil || len(i.certs) >= maxInterned {
		i.certs = make(map[[sha256.Size]byte]*x509.Certificate)
	}
	i.certs[id] = cert
	return cert, id
}

package revocation

import (
	"crypto/x509"
	"sync"
)

// trustMemo finds the CRL signers of a name once for a request: it costs up to
// some milliseconds, and a folder may have many lists of one name.
type trustMemo struct {
	Trust

	mu    sync.Mutex
	found map[[32]byte][][]*x509.Certificate
}

// CRLSigners implements Trust.
func (t *trustMemo) CRLSigners(name []byte, anchor *x509.Certificate) [][]*x509.Certificate {
	key := digest(name, anchor.Raw)
	t.mu.Lock()
	defer t.mu.Unlock()
	if paths, ok := t.found[key]; ok {
		return paths
	}
	if t.found == nil {
		t.found = make(map[[32]byte][][]*x509.Certificate)
	}
	t.found[key] = t.Trust.CRLSigners(name, anchor)
	return t.found[key]
}

package authn

import (
	"container/list"
	"crypto/x509"
	"sync"

	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/kongdata"
)

// maxTrusted bounds the certificates in all prepared trusts together: each takes
// below 1 KiB, and to prepare one anew some microseconds of a request that was
// not decided before.
const maxTrusted = 16_384

// trustOverhead is what a trust takes besides its certificates, in certificates.
const trustOverhead = 2

// trusts keeps what path validation made of snapshots, one for all policies that
// name the same CA certificates, the least recently used out first.
type trusts struct {
	mu      sync.Mutex
	byKey   map[trustKey]*list.Element
	order   *list.List // of *trust, the most recently used first
	trusted int        // certificates in all of them, overhead included
}

type trustKey struct {
	snapshot *kongdata.Snapshot // which never changes
	options  certpath.TrustOptions
}

type trust struct {
	key trustKey
	*certpath.Trust
}

func (t *trust) size() int { return trustOverhead + len(t.key.snapshot.CAs) }

func newTrusts() trusts {
	return trusts{byKey: make(map[trustKey]*list.Element), order: list.New()}
}

// of returns what path validation makes of a snapshot. Who needs one that is
// being made waits for it: after a change of the CA certificates all do.
func (t *trusts) of(snapshot *kongdata.Snapshot, o certpath.TrustOptions) *certpath.Trust {
	key := trustKey{snapshot, o}
	t.mu.Lock()
	defer t.mu.Unlock()
	if element, ok := t.byKey[key]; ok {
		t.order.MoveToFront(element)
		return element.Value.(*trust).Trust
	}
	made := &trust{key, certpath.NewTrust(readAgain(certificates(snapshot)), o)}
	t.byKey[key] = t.order.PushFront(made)
	t.trusted += made.size()
	// The one that was just made stays, whatever its size.
	for t.trusted > maxTrusted && t.order.Len() > 1 {
		old := t.order.Remove(t.order.Back()).(*trust)
		delete(t.byKey, old.key)
		t.trusted -= old.size()
	}
	return made.Trust
}

func certificates(snapshot *kongdata.Snapshot) []*x509.Certificate {
	certs := make([]*x509.Certificate, len(snapshot.CAs))
	for i, ca := range snapshot.CAs {
		certs[i] = ca.Certificate
	}
	return certs
}

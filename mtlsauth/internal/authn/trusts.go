package authn

import (
	"sync"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/lru"
)

// maxTrusted bounds the certificates in all prepared trusts together: each takes
// below 1 KiB, and to prepare one again some microseconds of an uncached request.
const maxTrusted = 16_384

// trustOverhead is what a trust takes besides its certificates, in certificates.
const trustOverhead = 2

// trusts caches what path validation makes of snapshots, one for all policies that name
// the same CA certificates.
type trusts struct {
	mu    sync.Mutex
	cache *lru.Cache[trustKey, *certpath.Trust]
}

type trustKey struct {
	snapshot *kongdata.Snapshot // which never changes
	options  certpath.TrustOptions
}

func newTrusts() trusts {
	return trusts{cache: lru.New[trustKey, *certpath.Trust](0, maxTrusted, nil)}
}

// of returns what path validation makes of a snapshot. One that is being made is waited
// for: after a change of the CA certificates every request needs it.
func (t *trusts) of(snapshot *kongdata.Snapshot, o certpath.TrustOptions) *certpath.Trust {
	key := trustKey{snapshot, o}
	t.mu.Lock()
	defer t.mu.Unlock()
	trust, ok := t.cache.Get(key)
	if !ok {
		trust = certpath.NewTrust(certificates(snapshot), o)
		t.cache.Put(key, trust, int64(trustOverhead+len(snapshot.CAs)))
	}
	return trust
}

func certificates(snapshot *kongdata.Snapshot) []*certificate.Certificate {
	certs := make([]*certificate.Certificate, len(snapshot.CAs))
	for i, ca := range snapshot.CAs {
		certs[i] = ca.Certificate
	}
	return certs
}

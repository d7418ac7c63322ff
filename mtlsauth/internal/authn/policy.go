package authn

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/cacert"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/clientcert"
)

// GroupBy says what of a certificate becomes an authenticated group. The zero
// value is none.
type GroupBy uint8

// The values of authenticated_group_by.
const (
	GroupByNone GroupBy = iota
	GroupByCN
	GroupByDN
)

// CASet is the CA certificates that a policy trusts, as they are known now.
type CASet interface {
	// Snapshot returns what is known. The pointer changes when anything does.
	Snapshot() *cacert.Snapshot
	// Wait returns what is known once every id has been asked for, or when
	// that takes too long.
	Wait(ctx context.Context) *cacert.Snapshot
}

// Options are what a policy is made of.
type Options struct {
	CAIDs             []string // ca_certificates, for the log
	CAs               CASet
	AllowPartialChain bool
	MinRSABits        int // 0 means 2048
	GroupBy           GroupBy
	Cache             *Cache
}

// Policy is one configuration, valid by construction, safe for use by many
// requests at once.
type Policy struct {
	options Options
	id      uint64 // tells policies apart in the cache
	trust   atomic.Pointer[trust]
	mu      sync.Mutex // held while trust is renewed
}

// trust is a snapshot with what path validation made of it.
type trust struct {
	snapshot *cacert.Snapshot
	*certpath.Trust
}

var lastPolicy atomic.Uint64

// NewPolicy returns a policy. Its CAs and Cache must be given.
func NewPolicy(o Options) *Policy {
	return &Policy{options: o, id: lastPolicy.Add(1)}
}

// Presented is what a client presented, as a door got it. The bytes are only
// read before Authenticate returns.
type Presented struct {
	Leaf  []byte // PEM; empty when the client sent no certificate
	Chain []byte // PEM of what was sent above it; empty when nothing was
}

// How long a denial is remembered: long enough to take the load of a client
// that knocks in a loop, short enough that whoever mends something is not kept
// waiting.
const deniedFor = 2 * time.Second

// Authenticate decides about what a client presented at an instant. It fails
// closed: whatever can not be judged is denied. It waits for nothing but the
// first answer to which CA certificates the policy trusts.
func (p *Policy) Authenticate(ctx context.Context, presented Presented, now time.Time) *Decision {
	if len(presented.Leaf) == 0 {
		return noneSent
	}
	key := p.key(presented)
	if d := p.options.Cache.get(key, p.options.CAs.Snapshot(), now); d != nil {
		return d
	}
	snapshot := p.options.CAs.Wait(ctx)
	d := p.decide(presented, snapshot, now)
	d.CAIDs, d.Missing = p.options.CAIDs, snapshot.Missing
	if d.Answer.Status != 500 {
		p.options.Cache.put(key, snapshot, d)
	}
	return d
}

var noneSent = Deny(NoneSent, nil)

func (p *Policy) decide(presented Presented, snapshot *cacert.Snapshot, now time.Time) *Decision {
	if len(snapshot.CAs) == 0 {
		return denyUnavailable(CANotLoaded, errors.New("none of the configured CA certificates could be had"))
	}
	leaf, err := clientcert.ParseLeaf(string(presented.Leaf))
	if err != nil {
		return deniedAt(now, Deny(Unreadable, err))
	}
	chain := clientcert.ParseChain(string(presented.Chain), leaf)
	paths, err := p.trustIn(snapshot).Validate(leaf, chain, now)
	if err != nil {
		d := deniedAt(now, Deny(pathReason(err, snapshot), err))
		d.Subject = subjectOf(leaf)
		return d
	}
	if len(paths) == 0 {
		return Deny(Internal, errors.New("path validation returned no path and no error"))
	}
	return p.pass(paths[0], now)
}

func pathReason(err error, snapshot *cacert.Snapshot) Reason {
	var refused *certpath.Error
	if !errors.As(err, &refused) {
		return Internal
	}
	r := ofPath(refused.Kind)
	if r == IssuerNotFound && len(snapshot.Missing) > 0 {
		return CANotLoaded
	}
	return r
}

func deniedAt(now time.Time, d *Decision) *Decision {
	d.made, d.expires = now, now.Round(0).Add(deniedFor)
	return d
}

// trustIn returns what path validation makes of a snapshot, made once each.
func (p *Policy) trustIn(snapshot *cacert.Snapshot) *certpath.Trust {
	if t := p.trust.Load(); t != nil && t.snapshot == snapshot {
		return t.Trust
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.trust.Load(); t != nil && t.snapshot == snapshot {
		return t.Trust
	}
	t := &trust{snapshot, certpath.NewTrust(certificates(snapshot), certpath.TrustOptions{
		AllowPartialChain: p.options.AllowPartialChain,
		MinRSABits:        p.options.MinRSABits,
	})}
	p.trust.Store(t)
	return t.Trust
}

func certificates(snapshot *cacert.Snapshot) []*x509.Certificate {
	certs := make([]*x509.Certificate, len(snapshot.CAs))
	for i, ca := range snapshot.CAs {
		certs[i] = ca.Certificate
	}
	return certs
}

// key digests the policy and all that was presented: nothing of what one
// client sent can help another.
func (p *Policy) key(presented Presented) cacheKey {
	var header [16]byte
	binary.LittleEndian.PutUint64(header[:8], p.id)
	binary.LittleEndian.PutUint64(header[8:], uint64(len(presented.Leaf)))
	h := sha256.New()
	h.Write(header[:])
	h.Write(presented.Leaf)
	h.Write(presented.Chain)
	var key cacheKey
	h.Sum(key[:0])
	return key
}

var _ CASet = (*cacert.Set)(nil)

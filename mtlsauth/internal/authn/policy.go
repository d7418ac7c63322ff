package authn

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/spiffe"
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
	Snapshot() *kongdata.Snapshot
	// Wait returns what is known once every id has been asked for, or when
	// that takes too long.
	Wait(ctx context.Context) *kongdata.Snapshot
}

// Settings are what a configuration says of requests.
type Settings struct {
	// AllowPartialChain lets a path end at a configured certificate that is not
	// self-signed.
	AllowPartialChain bool
	GroupBy           GroupBy
	// Status says how certificates are checked for revocation; nil for not at all.
	Status *revocation.Settings
	// Consumers says whose certificates pass; nil when a trusted certificate is
	// enough (skip_consumer_lookup).
	Consumers *Consumers
	// Anonymous is the consumer as which refused requests go on; zero for none.
	Anonymous consumer.Ref
	// CacheTTL is how long a consumer lookup may be cached, and what was decided by it.
	CacheTTL time.Duration
	// Policies are the certificate policies of which a path must be valid for one; empty
	// asks for none.
	Policies []certificate.OID
	// Usages are the purposes that must all be among the client certificate's extended key
	// usages, each by itself.
	Usages []certificate.OID
	// TrustDomains are the SPIFFE trust domains of which one must be the client's, with
	// the ids of the CA certificates that speak for it; empty asks for no SPIFFE ID.
	TrustDomains map[spiffe.TrustDomain][]string
	// Upstream says in which headers the upstream is told the certificate.
	Upstream UpstreamHeaders
}

// Options are what a policy is made of.
type Options struct {
	Settings
	CAIDs      []string // ca_certificates, for the log
	CAs        CASet
	MinRSABits int // 0 means 2048
	Cache      *Cache
	// Limiter bounds verification for all policies together; nil is the machine's
	// default, for this one alone.
	Limiter *Limiter
	// Checker finds certificate status out. It is needed with Status.
	Checker *revocation.Checker
	// Lookups caches consumer lookups. With nil nothing that rests on one is cached
	// here or shared between requests: for a caller that caches decisions itself, and
	// asks again when a consumer or a credential has changed. CacheTTL is then how long
	// the caller may cache them.
	Lookups *consumer.Lookups
}

// Policy is one configuration, valid by construction, safe for use by many
// requests at once.
type Policy struct {
	options Options
	id      uint64    // tells policies apart in the cache
	earlier *Decision // about a request that an earlier plugin has authenticated, see authenticated
	seen    atomic.Pointer[version]
	mu      sync.Mutex // while seen is renewed
}

var lastPolicy atomic.Uint64

// NewPolicy returns a policy. Its CAs and Cache must be given.
func NewPolicy(o Options) *Policy {
	if o.Limiter == nil {
		o.Limiter = NewLimiter(nil)
	}
	return &Policy{options: o, id: lastPolicy.Add(1), earlier: authenticated(o.Upstream)}
}

// Known returns a consumer that has to exist for the policy to work; zero for
// none.
func (p *Policy) Known() consumer.Ref {
	if c := p.options.Consumers; c != nil && !c.Default.IsZero() {
		return c.Default
	}
	return p.options.Anonymous
}

// looksUp tells whether consumers are looked up.
func (p *Policy) looksUp() bool { return p.options.Consumers != nil || p.AsksCredential() }

// cachesLookups tells whether what rests on a lookup may be cached here.
func (p *Policy) cachesLookups() bool { return p.options.Lookups != nil }

// trustIn returns what path validation makes of a snapshot.
func (p *Policy) trustIn(snapshot *kongdata.Snapshot) *certpath.Trust {
	return p.options.Cache.trusts.of(snapshot, certpath.TrustOptions{
		AllowPartialChain: p.options.AllowPartialChain,
		MinRSABits:        p.options.MinRSABits,
	})
}

var _ CASet = (*kongdata.Set)(nil)

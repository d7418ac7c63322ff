package authn

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
)

// Presented is what a client presented, as Kong has it. The bytes are only
// read before Authenticate returns.
type Presented struct {
	Leaf  []byte // PEM; empty when the client sent no certificate
	Chain []byte // PEM of what was sent above it; empty when nothing was
	// Denied is the decision about what was sent in a header and is not to be believed or
	// cannot be read, so that there is no Leaf; nil otherwise. Its reason is NoneSent or
	// Unreadable.
	Denied *Decision
	// Peer is the address that sent the header, for the log; "" where there was none.
	Peer string
	// Authenticated says that an earlier plugin has left a credential. It needs to
	// be known only where AsksCredential says so.
	Authenticated bool
}

// AsksCredential tells whether it matters that an earlier plugin has
// authenticated the request (Kong's logical OR, which anonymous asks for).
func (p *Policy) AsksCredential() bool { return !p.options.Anonymous.IsZero() }

// How long a denial is cached: long enough to take the load of a client that tries
// in a loop, short enough that a mistake that was corrected counts soon.
const deniedFor = 2 * time.Second

// Authenticate decides about what a client presented at an instant, looking up
// consumers in dir. It fails closed: whatever cannot be verified is denied. It
// waits until it is first known which CA certificates the policy trusts, and
// for consumers that are not known yet, at most consumer.MaxWait in all.
func (p *Policy) Authenticate(ctx context.Context, presented Presented, dir consumer.Directory, now time.Time) *Decision {
	if presented.Authenticated && p.AsksCredential() {
		return p.earlier
	}
	sent := len(presented.Leaf) > 0
	if !sent && !p.AsksCredential() {
		return cmp.Or(presented.Denied, noneSent)
	}
	if presented.Denied != nil { // not cached: no two need be equal
		return p.decide(ctx, cacheKey{}, presented, p.evidence(), dir, now)
	}
	key := p.key(presented)
	e := p.evidence()
	version := p.version(e)
	if d := p.options.Cache.get(key, version, now); d != nil {
		return d
	}
	if p.looksUp() && !p.cachesLookups() {
		return p.decide(ctx, key, presented, e, dir, now)
	}
	return p.options.Limiter.share(flightKey{key, version}, func() *Decision {
		return p.decide(ctx, key, presented, e, dir, now)
	})
}

// decide decides about what is not cached.
func (p *Policy) decide(ctx context.Context, key cacheKey, presented Presented, e evidence, dir consumer.Directory, now time.Time) *Decision {
	sent := len(presented.Leaf) > 0
	if sent {
		e.cas = p.options.CAs.Wait(ctx)
	}
	begun := p.version(e) // whatever changes meanwhile
	var d *Decision
	var paths []certpath.Path
	switch {
	case sent:
		d, paths = p.verify(ctx, presented, e.cas, now)
	case presented.Denied != nil:
		denied := *presented.Denied
		d = &denied
	default:
		d = Deny(NoneSent, nil)
	}
	if p.looksUp() {
		// All lookups of a request together.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, consumer.MaxWait)
		defer cancel()
	}
	looksUp := false
	if len(paths) > 0 {
		looksUp = p.options.Consumers != nil
		d = p.complete(ctx, d, paths, e, dir, now)
	}
	d.CAIDs = p.options.CAIDs
	if sent {
		d.Missing = e.cas.Missing
	}
	if d.Status() == 401 && p.AsksCredential() {
		looksUp = true
		d = p.asAnonymous(ctx, d, dir, now)
	}
	d.clears = p.options.Upstream != 0
	if presented.Denied == nil && d.Status() != 500 && !(looksUp && !p.cachesLookups()) {
		p.options.Cache.put(key, begun, d)
	}
	return d
}

var noneSent = Deny(NoneSent, nil)

// verify verifies the certificate and its status. The decision is a denial, or there are paths on
// which it is trusted.
func (p *Policy) verify(ctx context.Context, presented Presented, snapshot *kongdata.Snapshot, now time.Time) (*Decision, []certpath.Path) {
	if len(snapshot.CAs) == 0 {
		if trace := traceOf(ctx); trace.CAs != nil {
			trace.CAs(snapshot, nil)
		}
		return &Decision{Reason: CANotLoaded, unavailable: true, Detail: "no certificate of ca_certificates could be loaded"}, nil
	}
	trust := p.trustIn(snapshot)
	if trace := traceOf(ctx); trace.CAs != nil {
		trace.CAs(snapshot, trust)
	}
	paths, chain, denied := p.validate(ctx, presented, trust, snapshot, now)
	if denied != nil {
		return denied, nil
	}
	d := p.decided(paths[0].Certificates, now)
	d.CA = anchorOf(paths[0], snapshot)
	remaining, denied := p.checkStatus(ctx, d, paths, statusTrust{trust, certificates(snapshot), chain, now}, now)
	if denied != nil {
		denied.Subject, denied.CA = d.Subject, d.CA
		return denied, nil
	}
	d.CA = anchorOf(remaining[0], snapshot)
	d.endsWith(remaining)
	return d, remaining
}

// validate reads what was presented and finds the paths on which it is trusted,
// when the limiter lets it. What it returns instead is a denial.
func (p *Policy) validate(ctx context.Context, presented Presented, trust *certpath.Trust, snapshot *kongdata.Snapshot, now time.Time) ([]certpath.Path, []*certificate.Certificate, *Decision) {
	release, err := p.options.Limiter.acquire(ctx, p.id)
	if err != nil {
		return nil, nil, Deny(Internal, err)
	}
	defer release()
	leaf, err := certificate.ParseLeaf(presented.Leaf)
	if err != nil {
		d := deniedAt(now, Deny(Unreadable, err))
		if unreadable, ok := errors.AsType[*certificate.UnreadableError](err); ok {
			d.Subject.Fingerprint = unreadable.Fingerprint
		}
		return nil, nil, d
	}
	chain, leftOut := certificate.ParseChain(presented.Chain, leaf)
	trace := traceOf(ctx)
	if trace.Read != nil {
		trace.Read(leaf, chain, leftOut)
	}
	paths, err := trust.Validate(leaf, chain, certpath.Options{Now: now, Policies: p.policies(), Trace: trace.Step})
	if err != nil {
		d := deniedAt(now, Deny(pathReason(err, snapshot), err))
		d.Subject, d.LeftOut = subjectOf(leaf), leftOut
		if refused, ok := errors.AsType[*certpath.Error](err); ok {
			d.About = about(refused.Certificate, leaf)
		}
		return nil, nil, d
	}
	if len(paths) == 0 {
		return nil, nil, Deny(Internal, errors.New("path validation returned no path and no error"))
	}
	paths, d := p.required(paths, snapshot)
	if d != nil {
		d = deniedAt(now, d)
		d.Subject, d.LeftOut, d.About = subjectOf(leaf), leftOut, "leaf"
		return nil, nil, d
	}
	tell(trace.Paths, paths)
	return paths, chain, nil
}

// complete completes the decision about a certificate that is trusted on these
// paths with whose it is.
func (p *Policy) complete(ctx context.Context, d *Decision, paths []certpath.Path, e evidence, dir consumer.Directory, now time.Time) *Decision {
	if p.options.Consumers == nil {
		p.certificateHeaders(d, paths[0])
	} else if denied := p.identify(ctx, d, paths, e, dir, now); denied != nil {
		denied.Subject, denied.CA = d.Subject, d.CA
		return denied
	}
	d.groups = p.groups(paths[0], d)
	p.tell(d, paths[0])
	return d
}

func pathReason(err error, snapshot *kongdata.Snapshot) Reason {
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

// anchorOf returns the id of the CA certificate at which a path ends.
func anchorOf(path certpath.Path, snapshot *kongdata.Snapshot) string {
	anchor := path.Certificates[len(path.Certificates)-1]
	for _, ca := range snapshot.CAs {
		if ca.Certificate.Equal(anchor) {
			return ca.ID
		}
	}
	return ""
}

func deniedAt(now time.Time, d *Decision) *Decision {
	d.made, d.expires = now, now.Round(0).Add(deniedFor)
	return d
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
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return cacheKey(sum[:])
}

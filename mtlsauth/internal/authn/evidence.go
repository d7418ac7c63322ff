package authn

import (
	"slices"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
)

// evidence is what a decision rests on besides what was presented. Identity is
// what counts: a decision ends when any of it is replaced.
type evidence struct {
	cas     *kongdata.Snapshot
	mapped  []*consumer.Credentials // of Consumers.Source
	lookups uint64                  // generation
	status  uint64                  // Checker.Replaced
}

func (e evidence) equal(other evidence) bool {
	return e.cas == other.cas && e.lookups == other.lookups && e.status == other.status && slices.Equal(e.mapped, other.mapped)
}

// version is evidence with a number, by which decisions know it: to keep the
// evidence itself would keep in memory what has long been replaced.
type version struct {
	evidence
	number uint64
}

// evidence returns what decisions rest on at this moment.
func (p *Policy) evidence() evidence {
	e := evidence{cas: p.options.CAs.Snapshot()}
	if p.options.Lookups != nil {
		e.lookups = p.options.Lookups.Generation()
	}
	if p.options.Status != nil {
		e.status = p.options.Checker.Replaced()
	}
	if c := p.options.Consumers; c != nil && c.Source != nil {
		e.mapped = c.Source.Credentials()
	}
	return e
}

// version returns the number of the evidence: another one whenever it is not
// what was seen last.
func (p *Policy) version(e evidence) uint64 {
	if v := p.seen.Load(); v != nil && v.equal(e) {
		return v.number
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.seen.Load()
	if v != nil && v.equal(e) {
		return v.number
	}
	next := &version{evidence: e, number: 1}
	if v != nil {
		next.number = v.number + 1
	}
	p.seen.Store(next)
	return next.number
}

package engine

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/config"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/konglog"
)

// What is here is for a door that has Kong's own database beside it: it brings
// the CA certificates along with a configuration, looks consumers up as they are
// at this moment, and keeps decisions for as long as it is told.

// sharedHeld is CA certificates that came along, the same for all policies that
// came with the same, with their number.
type sharedHeld struct {
	*kongdata.Held
	users int
}

// StartHeld makes an instance of a configuration and of the CA certificates that
// came with it, as [Engine.Start] does. What was decided about consumers is kept
// for no later request: whoever asks again has a reason to.
func (p *Engine) StartHeld(text []byte, entities []kongdata.Entity) *Instance {
	in := &Instance{engine: p}
	err := p.refused
	if err == nil {
		in.policy, err = p.policyHeld(text, entities)
	}
	if err != nil {
		in = p.Refuse(err)
	}
	in.held = true
	return in
}

func (p *Engine) policyHeld(text []byte, entities []kongdata.Entity) (*sharedPolicy, error) {
	c, err := config.Parse(text)
	if err != nil {
		return nil, err
	}
	cas := contentOf(c.CACertificates(), entities)
	key := policyKey{c.Content(), cas}

	p.mu.Lock()
	defer p.mu.Unlock()
	if shared, ok := p.policies[key]; ok {
		shared.users++
		return shared, nil
	}
	held := p.hold(cas, c.CACertificates(), entities)
	o := p.options(c, nil)
	o.CAs, o.CAIDs, o.Fresh = held, held.IDs(), true
	shared := &sharedPolicy{key: key, users: 1, caIDs: o.CAIDs, Policy: authn.NewPolicy(o), free: func() {
		if held.users--; held.users == 0 {
			delete(p.held, cas)
		}
	}}
	p.policies[key] = shared
	return shared, nil
}

// hold returns the CA certificates of this content. The caller has the lock.
func (p *Engine) hold(key [sha256.Size]byte, ids []string, entities []kongdata.Entity) *sharedHeld {
	held, ok := p.held[key]
	if !ok {
		made, refused := kongdata.Hold(ids, entities)
		for _, err := range refused {
			p.log.Background.Error("CA certificate refused", "error", err)
		}
		for _, ca := range made.Snapshot().CAs {
			if time.Now().After(ca.Certificate.NotAfter) {
				p.log.Background.Warn("CA certificate has expired and trusts nobody", "ca_certificate", ca.ID, "not_after", ca.Certificate.NotAfter)
			}
		}
		held = &sharedHeld{Held: made}
		p.held[key] = held
	}
	held.users++
	return held
}

// contentOf is a digest of the CA certificates that a configuration names, with what
// came along of them.
func contentOf(ids []string, entities []kongdata.Entity) [sha256.Size]byte {
	text, err := json.Marshal([]any{ids, entities})
	if err != nil {
		panic(fmt.Sprintf("marshalling CA certificates: %v", err)) // they are strings
	}
	return sha256.Sum256(text)
}

// Again is the line that is written about a decision each time it is used anew by
// who keeps it; false when none is.
func (in *Instance) Again(r Request, d *authn.Decision, presented authn.Presented) (konglog.Line, bool) {
	return in.engine.log.Again(d, about(r, presented))
}

// KongListens is told where Kong listens: no address in a certificate leads there.
func (p *Engine) KongListens(listen []string) { p.status.listeners.Tell(listen) }

// KongListeners returns where Kong is known to listen.
func (p *Engine) KongListeners() []netip.AddrPort { return p.status.listeners.AddrPorts() }

// EvidenceChanged reports that evidence was replaced since it was last called, so
// that decisions that are kept outside this process must be dropped.
func (p *Engine) EvidenceChanged() bool {
	if p.status == nil {
		return false
	}
	now := p.status.checker.Replaced()
	return p.replaced.Swap(now) != now
}

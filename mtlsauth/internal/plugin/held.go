package plugin

import (
	"crypto/sha256"
	"net/netip"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/kongdata"
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
// came with it, as [Plugin.Start] does. What was decided about consumers is kept
// for no later request: whoever asks again has a reason to.
func (p *Plugin) StartHeld(config []byte, entities []kongdata.Entity) *Instance {
	in := &Instance{plugin: p}
	err := p.refused
	if err == nil {
		in.policy, err = p.policyHeld(config, entities)
	}
	if err != nil {
		in = p.Refuse(err)
	}
	in.held = true
	return in
}

func (p *Plugin) policyHeld(config []byte, entities []kongdata.Entity) (*sharedPolicy, error) {
	c, err := parseConfig(config)
	if err != nil {
		return nil, err
	}
	cas := contentKey(broughtCAs{c.CACertificates, entities})
	key := contentKey(struct {
		CAs    [sha256.Size]byte
		Config Config
	}{cas, c})

	p.mu.Lock()
	defer p.mu.Unlock()
	if shared, ok := p.policies[key]; ok {
		shared.users++
		return shared, nil
	}
	consumers, err := c.consumers(nil)
	if err != nil {
		return nil, err
	}
	held := p.hold(cas, c.CACertificates, entities)
	o := p.options(c, consumers)
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
func (p *Plugin) hold(key [sha256.Size]byte, ids []string, entities []kongdata.Entity) *sharedHeld {
	held, ok := p.held[key]
	if !ok {
		made, refused := kongdata.Hold(ids, entities)
		for _, err := range refused {
			p.log.background.Error("CA certificate refused", "error", err)
		}
		for _, ca := range made.Snapshot().CAs {
			if time.Now().After(ca.Certificate.NotAfter) {
				p.log.background.Warn("CA certificate has expired and trusts nobody", "ca_certificate", ca.ID, "not_after", ca.Certificate.NotAfter)
			}
		}
		held = &sharedHeld{Held: made}
		p.held[key] = held
	}
	held.users++
	return held
}

// broughtCAs are the CA certificates that a configuration names, with what came
// along of them.
type broughtCAs struct {
	IDs      []string
	Entities []kongdata.Entity
}

// Again is the line that is written about a decision each time it is used anew by
// who keeps it; false when none is.
func (in *Instance) Again(door Door, d *authn.Decision, presented authn.Presented) (Line, bool) {
	level := levelOf(d)
	if level < in.plugin.log.level {
		return Line{}, false
	}
	return in.plugin.log.about(door, d, level, len(presented.Chain) > 0), true
}

// KongListens is told where Kong listens: no address in a certificate leads there.
func (p *Plugin) KongListens(listen []string) { p.status.listeners.Tell(listen) }

// KongListeners returns where Kong is known to listen.
func (p *Plugin) KongListeners() []netip.AddrPort { return p.status.listeners.AddrPorts() }

// EvidenceChanged reports that evidence was replaced since it was last called, so
// that decisions that are kept outside this process must be dropped.
func (p *Plugin) EvidenceChanged() bool {
	if p.status == nil {
		return false
	}
	now := p.status.checker.Replaced()
	return p.replaced.Swap(now) != now
}

package engine

import (
	"errors"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/certheader"
)

// Header says in which headers certificates are handed over; nil where they come from the
// TLS handshake, or where the configuration was refused.
func (p *Policy) Header() *certheader.Settings { return p.header }

// Presented is what a proxy handed over in the headers of a request that came from peer, for
// a policy with a Header.
func (p *Policy) Presented(r certheader.Request, peer string) authn.Presented {
	certs, err := p.header.Read(r)
	if err != nil {
		return authn.Presented{Denied: denied(err), Peer: peer}
	}
	leaf, chain := certs.PEM()
	return authn.Presented{Leaf: leaf, Chain: chain, Peer: peer}
}

// denied is the decision about headers from which no certificate is taken.
func denied(err error) *authn.Decision {
	d := authn.Deny(authn.Unreadable, err)
	if e, ok := errors.AsType[*certheader.Error](err); ok {
		d.Subject.Fingerprint = e.Fingerprint
		if e.NotSent() {
			d.Reason = authn.NoneSent
		}
	}
	return d
}

// warnOnce warns of what a configuration says. The caller has the lock.
func (e *Engine) warnOnce(text string) {
	if !e.warned[text] {
		e.warned[text] = true
		e.log.Background.Warn(text)
	}
}

// warnAbout warns of configurations of header-cert-auth that are dangerous. The caller has
// the lock.
func (e *Engine) warnAbout(header *certheader.Settings, settings authn.Settings) {
	if header == nil {
		return
	}
	if !header.SecureSource {
		e.warnOnce("config.secure_source is false: anyone who reaches Kong can send the certificate of another, which is public; only a network that lets nothing but the proxy reach Kong is safe")
	}
	if !settings.Anonymous.IsZero() {
		e.warnOnce("config.anonymous with a certificate from a header: a client that has the proxy drop the header, by naming it in Connection, goes on as the anonymous consumer")
	}
}

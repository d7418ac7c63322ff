package revocation

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/address"
	"mtls-auth/mtlsauth/internal/revocation/cache"
	"mtls-auth/mtlsauth/internal/revocation/ocsp"
)

// responders are the URLs of OCSP responders that a certificate names (RFC 5280,
// section 4.2.2.1) in their normal form, each once, and what is wrong with others.
func responders(cert *certificate.Certificate) (urls []string, others error) {
	for _, raw := range cert.AuthorityInfo(certificate.AccessOCSP) {
		u, err := address.Parse(raw)
		if err != nil {
			others = join(others, fmt.Errorf("OCSP %s: %w", shown(raw), err))
		} else if !slices.Contains(urls, u.String()) {
			urls = append(urls, u.String())
		}
	}
	return urls, others
}

// ocsp asks one responder. A revocation by it that is no usable answer goes into
// against.
func (i *inquiry) ocsp(p pair, key certKey, address string, above []pair, against *finding) finding {
	c := i.checker
	issuer, issuerID := c.issuers.of(p.issuer)
	a := &ocspQuery{
		checker: c, endpoint: i.endpoint(p, issuerID, address), ttl: i.settings.CertCacheTTL,
		issuerCert: issuer, serial: p.cert.SerialNumber(), notAfter: p.cert.NotAfter, cert: key,
		rawIssuer: p.cert.RawIssuer, own: i.own,
		key: cache.Key(digest([]byte("ocsp"), issuerID[:], []byte(address), p.cert.Serial, i.ownID)),
	}
	if bytes.Equal(a.rawIssuer, issuer.RawSubject) {
		a.rawIssuer = issuer.RawSubject // of what is kept anyway
	}
	r := c.answers.Get(i.ctx, a.key, cache.Question[ocspValue]{
		Way: a.asked, Anchor: a.anchor, TTL: a.ttl, Patient: i.settings.Mode == Strict, Current: true, Waits: i.waits, Fetch: a.exchange,
	}, i.now)
	if last := r.Value.revocation(r.Usable, i.now()); last != nil {
		f := i.answered(p, key, *last, address, above, r.Until)
		if (f.state == revoked || f.state == overloaded) && !f.thisUpdate.Before(against.thisUpdate) {
			f.err = join(f.err, r.Err)
			*against = f
		}
	}
	if !r.Usable {
		f := failed(r.Err)
		f.from, f.until = "OCSP "+shown(address), r.Until
		return f
	}
	return i.answered(p, key, r.Value.Answer, address, above, r.Until)
}

// answered is what an answer says, and the status of who signed it.
func (i *inquiry) answered(p pair, key certKey, answer ocsp.Answer, address string, above []pair, until time.Time) finding {
	f := finding{from: "OCSP " + shown(address), thisUpdate: answer.ThisUpdate, until: until}
	if signer := answer.Responder; signer != nil {
		if err := i.vouchFor([]pair{{signer, p.issuer, p.anchor}}, above, answer.Status == ocsp.Revoked, &f); err != nil {
			f.err = err
			if isOurs(err) {
				f.state = overloaded
			}
			return f
		}
	}
	switch answer.Status {
	case ocsp.Good:
		f.state = good
	case ocsp.Revoked:
		f.state, f.err = revoked, fmt.Errorf("revoked, says OCSP responder %s", shown(address))
		if !f.doubtful {
			i.checker.revoked.add(key, seen(answer, p.cert.NotAfter), i.now())
		}
	default:
		f.state, f.err = statusUnknown, errStatusUnknown
	}
	return f
}

// seen is a revocation that an answer tells.
func seen(a ocsp.Answer, notAfter time.Time) revocationSeen {
	return newRevocationSeen(a.ThisUpdate, a.Final(), a.Until, notAfter)
}

func (i *inquiry) endpoint(p pair, issuer [32]byte, address string) endpoint {
	return endpoint{asked{i.settings.HTTPTimeout, i.settings.How}, address, issuer, digest(p.anchor.Raw)}
}

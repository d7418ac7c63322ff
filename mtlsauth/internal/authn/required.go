package authn

import (
	"fmt"
	"slices"
	"strings"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/spiffe"
)

// policies are the inputs of path validation (RFC 5280, section 6.1.1): required policies
// are the user-initial-policy-set, and then an explicit policy is required.
func (p *Policy) policies() certpath.PolicyInputs {
	return certpath.PolicyInputs{Initial: p.options.Policies, Explicit: len(p.options.Policies) > 0}
}

// required returns those of the validated paths that satisfy what a policy asks for beyond
// a path, or a denial where none does.
func (p *Policy) required(paths []certpath.Path, snapshot *kongdata.Snapshot) ([]certpath.Path, *Decision) {
	first := paths[0]
	leaf := first.Certificates[0]
	if missing := slices.DeleteFunc(slices.Clone(p.options.Usages), leaf.HasPurpose); len(missing) > 0 {
		return nil, Deny(WrongUsage, fmt.Errorf("not among its extended key usages: %s", join(missing)))
	}
	// As for clientAuth, a CA that is confined to other usages issues no certificate with these.
	if len(p.options.Usages) > 0 {
		paths = slices.DeleteFunc(slices.Clone(paths), func(path certpath.Path) bool { return p.confined(path) != nil })
		if len(paths) == 0 {
			return nil, Deny(WrongUsage, p.confined(first))
		}
	}
	if len(p.options.TrustDomains) == 0 {
		return paths, nil
	}
	id, err := spiffe.IDOf(leaf)
	if err != nil {
		return nil, Deny(SPIFFEID, err)
	}
	authorities, ok := p.options.TrustDomains[id.TrustDomain()]
	if !ok {
		return nil, Deny(SPIFFEID, fmt.Errorf("trust domain %q is not among spiffe_trust_domains", id.TrustDomain()))
	}
	remaining := slices.DeleteFunc(slices.Clone(paths), func(path certpath.Path) bool {
		anchor := path.Certificates[len(path.Certificates)-1]
		return !speaksFor(anchor, authorities, snapshot) || slices.ContainsFunc(path.Certificates[1:], func(c *certificate.Certificate) bool {
			return p.speaksForAny(c, snapshot) && !speaksFor(c, authorities, snapshot)
		})
	})
	if len(remaining) > 0 {
		return remaining, nil
	}
	if slices.ContainsFunc(snapshot.Missing, func(missing string) bool { return slices.Contains(authorities, missing) }) {
		return nil, Deny(CANotLoaded, fmt.Errorf("not every CA certificate of trust domain %q could be loaded", id.TrustDomain()))
	}
	return nil, Deny(SPIFFEID, fmt.Errorf("its path ends at no CA certificate of its trust domain %q, or leads over one of another", id.TrustDomain()))
}

// confined says which CA certificate of a path is confined to other usages than those that
// are required; nil where none is.
func (p *Policy) confined(path certpath.Path) error {
	for _, c := range path.Certificates[1:] {
		for _, usage := range p.options.Usages {
			if !c.Allows(usage) {
				return fmt.Errorf("%s is not among the extended key usages of %s, which is above it", usage, certificate.DistinguishedName(c.RawSubject))
			}
		}
	}
	return nil
}

// speaksFor tells whether a certificate is one of these configured CA certificates.
func speaksFor(cert *certificate.Certificate, ids []string, snapshot *kongdata.Snapshot) bool {
	return slices.ContainsFunc(snapshot.CAs, func(ca kongdata.CA) bool {
		return slices.Contains(ids, ca.ID) && ca.Certificate.Equal(cert)
	})
}

// speaksForAny tells whether a certificate is listed for any trust domain.
func (p *Policy) speaksForAny(cert *certificate.Certificate, snapshot *kongdata.Snapshot) bool {
	for _, ids := range p.options.TrustDomains {
		if speaksFor(cert, ids, snapshot) {
			return true
		}
	}
	return false
}

func join(ids []certificate.OID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return strings.Join(texts, ", ")
}

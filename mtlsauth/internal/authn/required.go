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
	leaf := paths[0].Certificates[0]
	if missing := slices.DeleteFunc(slices.Clone(p.options.Usages), leaf.HasPurpose); len(missing) > 0 {
		return nil, Deny(WrongUsage, fmt.Errorf("not among its extended key usages: %s", join(missing)))
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
		return !slices.ContainsFunc(snapshot.CAs, func(ca kongdata.CA) bool {
			return slices.Contains(authorities, ca.ID) && ca.Certificate.Equal(anchor)
		})
	})
	if len(remaining) > 0 {
		return remaining, nil
	}
	if slices.ContainsFunc(snapshot.Missing, func(missing string) bool { return slices.Contains(authorities, missing) }) {
		return nil, Deny(CANotLoaded, fmt.Errorf("not every CA certificate of trust domain %q could be loaded", id.TrustDomain()))
	}
	return nil, Deny(SPIFFEID, fmt.Errorf("its path ends at no CA certificate of its trust domain %q", id.TrustDomain()))
}

func join(ids []certificate.OID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return strings.Join(texts, ", ")
}

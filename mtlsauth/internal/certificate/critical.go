package certificate

import (
	"fmt"
	"slices"
	"strings"
)

// CriticalError says which critical extensions stand against a certificate (RFC
// 5280, section 4.2).
type CriticalError struct {
	NotUnderstood []OID // of a kind that is not processed
	Malformed     []OID // of a kind that is, with a part that cannot be read
}

func (e *CriticalError) Error() string {
	var parts []string
	for _, kind := range []struct {
		ids  []OID
		text string
	}{{e.NotUnderstood, "is not understood"}, {e.Malformed, "cannot be read"}} {
		for _, id := range kind.ids {
			parts = append(parts, fmt.Sprintf("critical extension %v %s", id, kind.text))
		}
	}
	return strings.Join(parts, ", ")
}

// CheckCritical refuses, with a *CriticalError, a certificate with a critical
// extension that is not understood, or of which any part cannot be read, needed
// or not. Those that RFC 5280 wants never critical, such as key identifiers, are
// not processed as such: OpenSSL refuses them too.
func (c *Certificate) CheckCritical() error {
	var found CriticalError
	for i := range c.Extensions {
		e := &c.Extensions[i]
		if !e.Critical {
			continue
		}
		switch understood, whole := c.understands(e); {
		case !understood:
			found.NotUnderstood = append(found.NotUnderstood, e.ID)
		case !whole:
			found.Malformed = append(found.Malformed, e.ID)
		}
	}
	if found.NotUnderstood == nil && found.Malformed == nil {
		return nil
	}
	return &found
}

// understands reports whether an extension is processed where it is critical,
// and whether all of it can be read.
func (c *Certificate) understands(e *Extension) (understood, whole bool) {
	switch e.ID {
	case OIDBasicConstraints, OIDKeyUsage, OIDExtKeyUsage:
		return true, true // Parse has read them
	case OIDSubjectAltName:
		names, _, err := c.SubjectAltNames()
		return true, err == nil && len(names) > 0 && decodable(names)
	case OIDNameConstraints:
		permitted, excluded, ok := SplitNameConstraints(e.Value)
		return true, ok && wellFormed(permitted) && wellFormed(excluded)
	case OIDCertificatePolicies:
		_, ok := parsePolicies(e.Value)
		return true, ok
	case OIDPolicyMappings:
		_, ok := parsePolicyMappings(e.Value)
		return true, ok
	case OIDPolicyConstraints:
		_, _, ok := parsePolicyConstraints(e.Value)
		return true, ok
	case OIDInhibitAnyPolicy:
		_, ok := parseSkipCerts(e.Value)
		return true, ok
	case OIDCRLDistributionPoints:
		points, ok := parseDistributionPoints(e.Value)
		for _, p := range points {
			ok = ok && (p.FullName != nil || p.RelativeName != nil || p.CRLIssuer != nil) &&
				decodable(p.FullName) && decodable(p.CRLIssuer)
		}
		return true, ok
	case OIDOCSPNoCheck:
		return true, string(e.Value) == "\x05\x00"
	}
	return false, false
}

func decodable(names []GeneralName) bool {
	return !slices.ContainsFunc(names, func(n GeneralName) bool { return n.Undecodable })
}

// wellFormed reports subtrees whose bases are general names. What a domain or
// an address says is not asked: a constraint of a form that cannot be read
// refuses names of its kind.
func wellFormed(trees []Subtree) bool {
	return !slices.ContainsFunc(trees, func(t Subtree) bool {
		switch t.Base.Kind {
		case DNS, Email, URI, IP:
			return false
		}
		return t.Base.Undecodable
	})
}

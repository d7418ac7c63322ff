package certificate

import (
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Policies is what a certificate says about certificate policies (RFC 5280,
// sections 4.2.1.4, 4.2.1.5, 4.2.1.11 and 4.2.1.14).
type Policies struct {
	// Asserted are the policies; nil where there are none or they cannot be
	// read, so that no explicit policy is met.
	Asserted []OID
	// Mappings are pairs of issuerDomainPolicy and subjectDomainPolicy.
	Mappings [][2]OID
	// The SkipCerts of policy constraints and inhibitAnyPolicy, -1 where
	// absent. What cannot be read, and is not critical, asks for no explicit
	// policy; where one is asked for otherwise, it is the strictest, 0.
	RequireExplicit, InhibitMapping, InhibitAny int
}

// Policies reads what the certificate says about policies.
func (c *Certificate) Policies() Policies {
	p := Policies{RequireExplicit: -1, InhibitMapping: -1, InhibitAny: -1}
	var ok bool
	for i := range c.Extensions {
		switch e := &c.Extensions[i]; e.ID {
		case OIDCertificatePolicies:
			p.Asserted, _ = parsePolicies(e.Value)
		case OIDPolicyMappings:
			// Mapping to what cannot be read leaves nothing to map from.
			if p.Mappings, ok = parsePolicyMappings(e.Value); !ok {
				p.InhibitMapping = 0
			}
		case OIDPolicyConstraints:
			if p.RequireExplicit, p.InhibitMapping, ok = parsePolicyConstraints(e.Value); !ok {
				p.RequireExplicit, p.InhibitMapping = -1, 0
			}
		case OIDInhibitAnyPolicy:
			if p.InhibitAny, ok = parseSkipCerts(e.Value); !ok {
				p.InhibitAny = 0
			}
		}
	}
	return p
}

// parsePolicies reads certificatePolicies. Qualifiers are for people; they have
// to be elements with an end.
func parsePolicies(der []byte) (policies []OID, ok bool) {
	list, ok := only(der, asn1.SEQUENCE)
	for !list.Empty() {
		var fields, qualifiers cryptobyte.String
		if !list.ReadASN1(&fields, asn1.SEQUENCE) {
			return nil, false
		}
		id, isOID := readOID(&fields)
		if !isOID || !fields.ReadOptionalASN1(&qualifiers, nil, asn1.SEQUENCE) || !fields.Empty() || !elements(qualifiers) {
			return nil, false
		}
		policies = append(policies, id)
	}
	if !ok {
		return nil, false
	}
	return policies, len(policies) > 0
}

// elements reports a sequence of whole elements.
func elements(s cryptobyte.String) bool {
	for !s.Empty() {
		var content cryptobyte.String
		if !s.ReadAnyASN1(&content, nil) {
			return false
		}
	}
	return true
}

func parsePolicyMappings(der []byte) (mappings [][2]OID, ok bool) {
	list, ok := only(der, asn1.SEQUENCE)
	for ok && !list.Empty() {
		var pair cryptobyte.String
		var m [2]OID
		if !list.ReadASN1(&pair, asn1.SEQUENCE) {
			return nil, false
		}
		for i := range m {
			if m[i], ok = readOID(&pair); !ok {
				return nil, false
			}
		}
		if !pair.Empty() {
			return nil, false
		}
		mappings = append(mappings, m)
	}
	return mappings, ok && len(mappings) > 0
}

func parsePolicyConstraints(der []byte) (requireExplicit, inhibitMapping int, ok bool) {
	fields, ok := only(der, asn1.SEQUENCE)
	if !ok || fields.Empty() {
		return 0, 0, false
	}
	if requireExplicit, ok = readSkipCerts(&fields, primitive(0)); !ok {
		return 0, 0, false
	}
	if inhibitMapping, ok = readSkipCerts(&fields, primitive(1)); !ok || !fields.Empty() {
		return 0, 0, false
	}
	return requireExplicit, inhibitMapping, true
}

func parseSkipCerts(der []byte) (int, bool) {
	s := cryptobyte.String(der)
	n, ok := readSkipCerts(&s, asn1.INTEGER)
	return n, ok && n >= 0 && s.Empty()
}

// readSkipCerts reads an optional number of certificates, -1 where it is absent.
func readSkipCerts(s *cryptobyte.String, tag asn1.Tag) (int, bool) {
	if !s.PeekASN1Tag(tag) {
		return -1, true
	}
	content, ok := readInteger(s, tag)
	if !ok {
		return 0, false
	}
	return count(content)
}

// SplitNameConstraints takes a NameConstraints (section 4.2.1.10) apart into
// the contents of its permitted and excluded subtrees. It reports false where
// its structure is broken, down to the bases. One that is empty, which the RFC
// forbids issuing, is broken: what it is to constrain is unclear.
func SplitNameConstraints(der []byte) (permitted, excluded []Subtree, ok bool) {
	list, ok := only(der, asn1.SEQUENCE)
	var trees [2]cryptobyte.String
	if !ok || !list.ReadOptionalASN1(&trees[0], nil, constructed(0)) || !list.ReadOptionalASN1(&trees[1], nil, constructed(1)) || !list.Empty() {
		return nil, nil, false
	}
	if permitted, ok = readSubtrees(trees[0]); !ok {
		return nil, nil, false
	}
	if excluded, ok = readSubtrees(trees[1]); !ok {
		return nil, nil, false
	}
	return permitted, excluded, len(permitted)+len(excluded) > 0
}

// Subtree is a GeneralSubtree: the names that lie below a base.
type Subtree struct {
	Base GeneralName
	// Distances says that there are other distances than those that section
	// 4.2.1.10 prescribes: a minimum of zero and no maximum. What is meant by
	// them is not known.
	Distances bool
}

func readSubtrees(list cryptobyte.String) (trees []Subtree, ok bool) {
	for !list.Empty() {
		var fields cryptobyte.String
		if !list.ReadASN1(&fields, asn1.SEQUENCE) {
			return nil, false
		}
		base, ok := ReadGeneralName(&fields)
		if !ok {
			return nil, false
		}
		// A minimum of zero is the default and so not encoded in DER; written
		// out it means the same.
		trees = append(trees, Subtree{base, !fields.Empty() && string(fields) != "\x80\x01\x00"})
	}
	return trees, true
}

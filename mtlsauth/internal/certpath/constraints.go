package certpath

import (
	"slices"
	"strings"

	"mtls-auth/mtlsauth/internal/certificate"
)

// nameConstraints is the extension of RFC 5280, section 4.2.1.10.
type nameConstraints struct {
	permitted, excluded []subtree
}

// subtree is the base of one GeneralSubtree, prepared for its kind.
type subtree struct {
	kind    certificate.Kind
	domain  string   // DNS, Email and URI: lower case, "" for all
	mailbox *mailbox // Email: one address instead of a domain
	network []byte   // IP: address and mask
	dn      certificate.DN

	// unreadable is a base that cannot be compared. No name of its kind passes
	// then: section 4.2.1.10 has a constraint processed or the certificate
	// rejected.
	unreadable bool
}

// readNameConstraints reads the extension; nil where the certificate has none.
// Whether it is marked critical makes no difference: it is obeyed. Where its
// structure is broken it reports false, and the certificate cannot be part of a
// path. A subtree whose base cannot be read refuses all names of its kind.
func readNameConstraints(cert *certificate.Certificate) (*nameConstraints, bool) {
	found := cert.Extension(certificate.OIDNameConstraints)
	if found == nil {
		return nil, true
	}
	permitted, excluded, ok := certificate.SplitNameConstraints(found.Value)
	if !ok {
		return nil, false
	}
	return &nameConstraints{newSubtrees(permitted), newSubtrees(excluded)}, true
}

func newSubtrees(trees []certificate.Subtree) []subtree {
	out := make([]subtree, len(trees))
	for i, t := range trees {
		out[i] = newSubtree(t.Base)
		out[i].unreadable = out[i].unreadable || t.Distances
	}
	return out
}

func newSubtree(base certificate.GeneralName) subtree {
	tree := subtree{kind: base.Kind, unreadable: base.Undecodable}
	switch base.Kind {
	case certificate.DNS, certificate.URI, certificate.Email:
		value := base.Value
		if at := strings.IndexByte(value, '@'); base.Kind == certificate.Email && at > 0 {
			box, ok := parseMailbox(value)
			tree.mailbox = &box
			tree.unreadable = tree.unreadable || !ok || strings.Contains(box.domain, "*")
			return tree
		} else if at == 0 {
			value = value[1:] // "@host" is all mailboxes of the host
		}
		tree.domain = lowerASCII(value)
		// A constraint is no pattern: section 4.2.1.10 knows no "*", and what
		// is meant by one may be more than the names that it would match.
		tree.unreadable = tree.unreadable || strings.Contains(tree.domain, "*") ||
			tree.domain != "" && !validDomain(strings.TrimPrefix(tree.domain, "."))
	case certificate.IP:
		tree.network = base.Raw
		tree.unreadable = len(base.Raw) != 8 && len(base.Raw) != 32
	case certificate.DirectoryName:
		tree.dn, _ = certificate.ParseDN(base.Raw)
	case certificate.UPN:
		tree.kind = certificate.OtherName
	}
	return tree
}

// everything reports a base that all names of its kind lie below.
func (s *subtree) everything() bool {
	if s.unreadable {
		return false
	}
	switch s.kind {
	case certificate.DNS, certificate.URI, certificate.Email:
		return s.domain == "" && s.mailbox == nil
	case certificate.IP:
		mask := s.network[len(s.network)/2:]
		return !slices.ContainsFunc(mask, func(b byte) bool { return b != 0 })
	case certificate.DirectoryName:
		return s.dn.Empty()
	}
	return false
}

// permittedKinds returns the kinds of name that the certificate's permitted
// subtrees confine, without those in which one permits everything.
func (c *nameConstraints) permittedKinds() kindSet {
	var some, all kindSet
	for i := range c.permitted {
		tree := &c.permitted[i]
		switch tree.kind {
		case certificate.DNS, certificate.URI, certificate.Email, certificate.IP, certificate.DirectoryName:
			some.add(tree.kind)
			if tree.everything() {
				all.add(tree.kind)
			}
		}
	}
	return some &^ all
}

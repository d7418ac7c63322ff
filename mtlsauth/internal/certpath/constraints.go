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

// readNameConstraints reads the extension; nil where the certificate has none.
// Whether it is marked critical makes no difference: it is obeyed. Where its
// structure is broken it reports false, and the certificate cannot be part of a
// path.
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

// checkNames applies the name constraints of every certificate above the leaf,
// the trust anchor's included, to the names of all below it (section 6.1.3(b)
// and (c), 6.1.4(g)), and notes in path which kinds they confine. Self-issued
// intermediates are exempt, the leaf never is.
func (s *search) checkNames(nodes []*node, path *Path) *Error {
	for i, n := range nodes[1:] {
		if n.constraints == nil {
			continue
		}
		if kinds := n.constraints.confinedKinds(); path.constrained {
			path.kinds &= kinds
		} else {
			path.constrained, path.kinds = true, kinds
		}
		for j, below := range nodes[:i+1] {
			if j > 0 && below.selfIssued() {
				continue
			}
			if err := s.apply(n.constraints, below); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *search) apply(constraints *nameConstraints, below *node) *Error {
	names, read := s.names[below]
	if !read {
		var err error
		if names, err = constrainedNames(below.cert); err != nil {
			return because(Constraint, below.cert, err)
		}
		if s.names == nil {
			s.names = map[*node][]constrainedName{}
		}
		s.names[below] = names
	}
	for i := range names {
		if !s.afford(constraints.cost(&names[i])) {
			return refuse(TooCostly, below.cert, "too many names and name constraints")
		}
		if objection := constraints.objection(&names[i]); objection != "" {
			return refuse(Constraint, below.cert, objection)
		}
	}
	return nil
}

// objection says why the constraints do not allow the name, "" where they do: it
// must lie within one of the permitted subtrees of its kind, if there are any,
// and within none of the excluded ones. What cannot be compared is refused where
// its kind is constrained at all, and a name of unknown form where anything is.
func (c *nameConstraints) objection(name *constrainedName) string {
	if name.kind == certificate.Unknown {
		return "a name of unknown form, and names are constrained"
	}
	const unreadableConstraint = "a name of a kind for which a name constraint cannot be read"
	var confined, permitted, unreadable bool
	for i := range c.permitted {
		if tree := &c.permitted[i]; tree.kind == name.kind {
			confined = true
			unreadable = unreadable || tree.unreadable
			permitted = permitted || !tree.unreadable && name.valid && tree.permits(name)
		}
	}
	for i := range c.excluded {
		tree := &c.excluded[i]
		switch {
		case tree.kind != name.kind:
		case !name.valid:
			confined = true
		case tree.unreadable:
			return unreadableConstraint
		case tree.excludes(name):
			return "a name in an excluded subtree of a CA above it"
		}
	}
	switch {
	case !confined || permitted:
		return ""
	case !name.valid:
		return "a name that cannot be compared with the constraints of its kind"
	case unreadable:
		return unreadableConstraint
	}
	return "a name in none of the permitted subtrees of a CA above it"
}

// cost is that of objection, a comparison costing 1.
func (c *nameConstraints) cost(name *constrainedName) int {
	cost := len(c.permitted) + len(c.excluded)
	for _, trees := range [][]subtree{c.permitted, c.excluded} {
		for i := range trees {
			cost += trees[i].dn.Comparisons(name.dn)
		}
	}
	return cost
}

// confinedKinds returns the kinds of name that the permitted subtrees confine,
// without those in which one permits everything.
func (c *nameConstraints) confinedKinds() kindSet {
	var some, all kindSet
	for i := range c.permitted {
		tree := &c.permitted[i]
		var everything bool
		switch tree.kind {
		case certificate.DNS, certificate.URI, certificate.Email:
			everything = tree.domain == ""
		case certificate.IP:
			everything = !slices.ContainsFunc(tree.network[len(tree.network)/2:], func(b byte) bool { return b != 0 })
		case certificate.DirectoryName:
			everything = len(tree.dn) == 0
		default:
			continue // a form that is not compared
		}
		some |= 1 << tree.kind
		if everything && !tree.unreadable {
			all |= 1 << tree.kind
		}
	}
	return some &^ all
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
			tree.mailbox, value = &box, box.domain
			tree.unreadable = !ok
		} else if base.Kind == certificate.Email && at == 0 {
			value = value[1:] // "@host" is all mailboxes of the host
		}
		tree.domain = lowerASCII(value)
		// A constraint is not a pattern: section 4.2.1.10 knows no "*", and what
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

// permits reports whether a comparable name of the subtree's kind lies within
// it, read narrowly.
func (t *subtree) permits(n *constrainedName) bool {
	switch t.kind {
	case certificate.DNS:
		return t.domain == "" || !n.absolute && t.holdsDNS(n.host)
	case certificate.Email:
		if t.mailbox != nil {
			return *t.mailbox == n.mailbox
		}
		return t.holdsHost(n.host)
	case certificate.URI:
		return t.holdsHost(n.host)
	case certificate.IP:
		return t.holdsAddress(n.address)
	case certificate.DirectoryName:
		return t.dn.Permits(n.dn)
	}
	return false
}

// excludes reports whether a comparable name of the subtree's kind may lie
// within it, read widely: in doubt it does.
func (t *subtree) excludes(n *constrainedName) bool {
	switch {
	case t.kind == certificate.DNS:
		return t.holdsDNS(n.host) || t.overlapsWildcard(n.host)
	case t.mailbox != nil:
		// Local parts are case-sensitive by the letter, and nowhere else.
		return t.domain == n.host && strings.EqualFold(t.mailbox.local, n.mailbox.local)
	case t.kind == certificate.DirectoryName:
		return t.dn.Excludes(n.dn)
	}
	return t.permits(n)
}

// holdsDNS is section 4.2.1.10 for dNSName: the domain and all below it. With a
// leading dot, which the RFC does not define here and CAs use, only what is
// below it.
func (t *subtree) holdsDNS(host string) bool {
	return t.domain == "" || host == t.domain || strings.HasSuffix(host, "."+strings.TrimPrefix(t.domain, "."))
}

// overlapsWildcard reports whether a wildcard in the first label covers a name
// in the subtree that is not below the wildcard's own domain: *.example.com
// covers an excluded a.example.com.
func (t *subtree) overlapsWildcard(host string) bool {
	first, parent, _ := strings.Cut(host, ".")
	_, domainParent, _ := strings.Cut(t.domain, ".")
	return strings.Contains(first, "*") && domainParent == parent
}

// holdsHost is section 4.2.1.10 for the host of an e-mail address or URI: with
// a leading dot all hosts below the domain, without one this host alone.
func (t *subtree) holdsHost(host string) bool {
	if strings.HasPrefix(t.domain, ".") {
		return strings.HasSuffix(host, t.domain)
	}
	return t.domain == "" || host == t.domain
}

// holdsAddress compares under the mask; the two versions of IP never meet.
func (t *subtree) holdsAddress(address []byte) bool {
	if len(t.network) != 2*len(address) {
		return false
	}
	for i := range address {
		if (address[i]^t.network[i])&t.network[len(address)+i] != 0 {
			return false
		}
	}
	return true
}

package certpath

import "mtls-auth/mtlsauth/internal/certificate"

// checkNames applies the name constraints of every certificate above the leaf,
// the trust anchor's included, to the names of all below it (RFC 5280, section
// 6.1.3(b) and (c), 6.1.4(g)), and notes in path which kinds they confine.
// Self-issued intermediates are exempt, the leaf never is.
func (s *search) checkNames(nodes []*node, path *Path) *Error {
	for i, n := range nodes[1:] {
		constraints := n.constraints
		if constraints == nil {
			continue
		}
		if kinds := constraints.permittedKinds(); path.constrained {
			path.kinds &= kinds
		} else {
			path.constrained, path.kinds = true, kinds
		}
		for j, below := range nodes[:i+1] {
			if j > 0 && below.selfIssued() {
				continue
			}
			if err := s.apply(constraints, below); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *search) apply(constraints *nameConstraints, below *node) *Error {
	names, err := s.namesOf(below)
	if err != nil {
		return &Error{Kind: Constraint, Certificate: below.cert, Err: err}
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
// its kind is constrained at all; a name of a form that nobody knows, where
// anything is.
func (c *nameConstraints) objection(name *subjectName) string {
	if name.kind == certificate.Unknown {
		return "a name of unknown form, and names are constrained"
	}
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
			return "a name of a kind for which a name constraint cannot be read"
		case tree.excludes(name):
			return "a name in an excluded subtree of a CA above it"
		}
	}
	switch {
	case confined && !name.valid:
		return "a name that cannot be compared with the constraints of its kind"
	case confined && !permitted && unreadable:
		return "a name of a kind for which a name constraint cannot be read"
	case confined && !permitted:
		return "a name in none of the permitted subtrees of a CA above it"
	}
	return ""
}

// cost is that of objection, a comparison costing 1.
func (c *nameConstraints) cost(name *subjectName) int {
	cost := len(c.permitted) + len(c.excluded)
	for _, trees := range [][]subtree{c.permitted, c.excluded} {
		for i := range trees {
			cost += trees[i].dn.Comparisons(name.dn)
		}
	}
	return cost
}

// namesOf returns the names of a certificate that constraints apply to, read
// once for all paths.
func (s *search) namesOf(n *node) ([]subjectName, error) {
	if names := s.names[n]; names != nil {
		return names, nil
	}
	if s.names == nil {
		s.names = map[*node][]subjectName{}
	}
	names, err := newSubjectNames(n.cert)
	if err != nil {
		return nil, err
	}
	s.names[n] = names
	return names, nil
}

package certpath

import "mtls-auth/mtlsauth/internal/certname"

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
	subject, err := s.namesOf(below)
	if err != nil {
		return &Error{Kind: Constraint, Certificate: below.cert, Err: err}
	}
	for i := range subject.names {
		allowed, err := s.allowed(constraints, &subject.names[i])
		if err != nil {
			return &Error{Kind: TooCostly, Certificate: below.cert, Err: err}
		}
		if !allowed {
			return refuse(Constraint, below.cert, "a name that the name constraints of a CA above it do not allow")
		}
	}
	return nil
}

// allowed reports whether the name lies within one of the permitted subtrees of
// its kind, if there are any, and within none of the excluded ones. A name that
// cannot be compared is refused where its kind is constrained at all; one of a
// form that nobody knows, where anything is.
func (s *search) allowed(constraints *nameConstraints, name *subjectName) (bool, *Error) {
	if name.kind == certname.Unknown {
		return false, nil
	}
	var confined, permitted bool
	for i := range constraints.permitted {
		tree := &constraints.permitted[i]
		if err := s.compare(tree, name); err != nil {
			return false, err
		}
		if tree.kind != name.kind {
			continue
		}
		confined = true
		if name.valid && !tree.unreadable && tree.permits(name) {
			permitted = true
			break
		}
	}
	if confined && !permitted {
		return false, nil
	}
	for i := range constraints.excluded {
		tree := &constraints.excluded[i]
		if err := s.compare(tree, name); err != nil {
			return false, err
		}
		if tree.kind == name.kind && (!name.valid || tree.unreadable || tree.excludes(name)) {
			return false, nil
		}
	}
	return true, nil
}

// compare spends what comparing a name with a subtree costs.
func (s *search) compare(tree *subtree, name *subjectName) *Error {
	cost := 1
	if tree.kind == certname.DirectoryName && name.kind == certname.DirectoryName {
		cost += comparisons(tree.dn, name.dn)
	}
	if !s.afford(cost) {
		return refuse(TooCostly, nil, "too many names and name constraints")
	}
	return nil
}

// namesOf returns the names of a certificate that constraints apply to, read
// once for all paths.
func (s *search) namesOf(n *node) (*subjectNames, error) {
	if names := s.names[n]; names != nil {
		return names, nil
	}
	if s.names == nil {
		s.names = map[*node]*subjectNames{}
	}
	names, err := newSubjectNames(n.cert)
	if err != nil {
		return nil, err
	}
	s.names[n] = names
	return names, nil
}

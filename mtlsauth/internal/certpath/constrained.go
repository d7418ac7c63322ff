package certpath

import (
	"errors"
	"slices"

	"mtls-auth/mtlsauth/internal/certname"
)

const (
	// maxComparisons bounds the comparisons of names with subtrees in one
	// validation: the product of a few thousand names and constraints, which
	// fit into two certificates, would take a tenth of a second.
	maxComparisons = 100_000

	// minComparisons are granted where signatures have used the budget up.
	minComparisons = 5_000
)

var errTooManyComparisons = errors.New("too many names and name constraints")

// constraintWork is what the name constraints of all paths of one validation
// share.
type constraintWork struct {
	left     int // comparisons
	names    map[*node]*subjectNames
	critical map[*node]bool // whose critical names have been read
}

// newConstraintWork takes what the signatures have left of the budget.
func newConstraintWork(left int64) *constraintWork {
	return &constraintWork{
		left:     int(min(max(left/costPerComparison, minComparisons), maxComparisons)),
		names:    map[*node]*subjectNames{},
		critical: map[*node]bool{},
	}
}

// check applies the name constraints of every certificate on the path, the
// trust anchor's included, to the names of all below it (RFC 5280, section
// 6.1.3(b) and (c), 6.1.4(g)), and notes in path which kinds they confine.
// Self-issued intermediates are exempt, the leaf never is.
//
// It also answers for critical extensions that viewOf took away.
func (w *constraintWork) check(nodes []*node, path *Path) *Error {
	for i, n := range nodes {
		if err := w.checkCritical(n); err != nil {
			return err
		}
		constraints, err := n.nameConstraints()
		if err != nil {
			return &Error{Kind: Constraint, Certificate: n.cert, Err: err}
		}
		// Those of the leaf have nobody to apply to.
		if constraints == nil || i == 0 {
			continue
		}
		if kinds := constraints.permittedKinds(); path.constrained {
			path.kinds &= kinds
		} else {
			path.constrained, path.kinds = true, kinds
		}
		for j, below := range nodes[:i] {
			if j > 0 && selfIssued(below.cert) {
				continue
			}
			if err := w.apply(constraints, below); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkCritical refuses a critical subject alternative name with a value that
// was not understood: that is a critical extension which was not processed
// (section 4.2). Name constraints are refused where they are parsed.
func (w *constraintWork) checkCritical(n *node) *Error {
	if w.critical[n] || !slices.ContainsFunc(n.cert.UnhandledCriticalExtensions, certname.OIDSubjectAltName.Equal) {
		return nil
	}
	names, _, err := certname.SubjectAltNames(n.cert)
	if err != nil {
		return &Error{Kind: Constraint, Certificate: n.cert, Err: err}
	}
	for _, name := range names {
		if name.Undecodable {
			return refuse(Constraint, n.cert, "critical subject alternative name that cannot be read")
		}
	}
	w.critical[n] = true
	return nil
}

func (w *constraintWork) apply(constraints *nameConstraints, below *node) *Error {
	subject, err := w.namesOf(below)
	if err != nil {
		return &Error{Kind: Constraint, Certificate: below.cert, Err: err}
	}
	for i := range subject.names {
		allowed, err := w.allowed(constraints, &subject.names[i])
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
func (w *constraintWork) allowed(constraints *nameConstraints, name *subjectName) (bool, error) {
	if name.kind == certname.Unknown {
		return false, nil
	}
	var confined, permitted bool
	for i := range constraints.permitted {
		tree := &constraints.permitted[i]
		if err := w.spend(tree, name); err != nil {
			return false, err
		}
		if tree.kind != name.kind {
			continue
		}
		confined = true
		if name.comparable() && tree.permits(name) {
			permitted = true
			break
		}
	}
	if confined && !permitted {
		return false, nil
	}
	for i := range constraints.excluded {
		tree := &constraints.excluded[i]
		if err := w.spend(tree, name); err != nil {
			return false, err
		}
		if tree.kind == name.kind && (!name.comparable() || tree.excludes(name)) {
			return false, nil
		}
	}
	return true, nil
}

func (w *constraintWork) spend(tree *subtree, name *subjectName) error {
	w.left--
	if tree.kind == certname.DirectoryName && name.kind == certname.DirectoryName {
		w.left -= comparisons(tree.dn, name.dn)
	}
	if w.left < 0 {
		return errTooManyComparisons
	}
	return nil
}

// namesOf returns the names of a certificate that constraints apply to, read
// once for all paths.
func (w *constraintWork) namesOf(n *node) (*subjectNames, error) {
	if names := w.names[n]; names != nil {
		return names, nil
	}
	names, err := newSubjectNames(n.cert)
	if err != nil {
		return nil, err
	}
	w.names[n] = names
	return names, nil
}

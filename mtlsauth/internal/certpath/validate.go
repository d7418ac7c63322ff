package certpath

import (
	"bytes"
	"crypto/x509"
	"slices"
	"time"
)

// maxPresented bounds how many of the certificates that a client sent along are
// looked at.
const maxPresented = 10

// Validate finds the certification paths from leaf to a trust anchor that are
// valid at now. The presented certificates are untrusted intermediates in any
// order; of more than ten the first ten count, and none ever stands in for a
// trust anchor, nor for the leaf.
//
// A leaf that is itself a configured trust anchor, byte for byte, is a path of
// its own; any other CA certificate as a leaf is refused.
//
// Without a path the error is an *Error and there are no paths. The order of
// paths is always the same: those with fewer certificates first, then by the
// position, from the leaf upwards, of their certificates among those configured
// and after them among those presented.
//
// It spends at most about 10 ms of CPU, whatever was presented, together with
// what parsing the leaf and the presented certificates has cost. A chain that
// would take more is refused as TooCostly: four signatures by keys on P-521, or
// some thousands of names below as many name constraints.
//
// Where the leaf says what its key is for, digital signatures or key agreement
// must be among it.
func (t *Trust) Validate(leaf *x509.Certificate, presented []*x509.Certificate, now time.Time) ([]Path, error) {
	// A zero time would have crypto/x509 read the clock.
	if leaf == nil || len(leaf.Raw) == 0 || now.IsZero() {
		return nil, refuse(Unspecified, leaf, "no certificate, or no time to judge it at")
	}
	// No roots would have crypto/x509 take the system's.
	if t == nil || t.roots == nil {
		return nil, refuse(IssuerNotFound, leaf, "no CA certificate is configured")
	}
	if err := checkLeaf(leaf, now, t.minRSABits); err != nil {
		return nil, err
	}
	if anchor := t.anchorOf(leaf); anchor != nil {
		if len(anchor.view.UnhandledCriticalExtensions) > 0 {
			return nil, verifyError(x509.UnhandledCriticalExtension{}, now)
		}
		return []Path{{Certificates: []*x509.Certificate{leaf}}}, nil
	}
	if err := checkNoCA(leaf); err != nil {
		return nil, err
	}
	if err := checkKeyUsage(leaf); err != nil {
		return nil, err
	}
	if err := checkOddSize(leaf); err != nil {
		return nil, err
	}
	s := newSearch(t, leaf, presented, now)
	chains, err := s.verify()
	if err != nil {
		return nil, err
	}
	paths, err := s.judge(chains)
	if err != nil {
		return nil, err
	}
	return paths, nil
}

// judge turns the chains that crypto/x509 found into paths, leaving out those
// that a check of our own refuses. With none left it returns the first refusal.
func (s *search) judge(chains [][]*x509.Certificate) ([]Path, *Error) {
	type judged struct {
		path  Path
		nodes []*node
	}
	var found []judged
	var first *Error
	work := newConstraintWork(s.left)
	for _, chain := range chains {
		nodes, err := s.nodesOf(chain)
		if err == nil {
			var path Path
			if path, err = s.checkPath(nodes, work); err == nil {
				found = append(found, judged{path, nodes})
				continue
			}
		}
		if first == nil {
			first = err
		}
	}
	if len(found) == 0 {
		if first == nil {
			first = refuse(Unspecified, s.leaf.cert, "no path")
		}
		return nil, first
	}
	slices.SortStableFunc(found, func(a, b judged) int { return compareNodes(a.nodes, b.nodes) })
	paths := make([]Path, len(found))
	for i, f := range found {
		paths[i] = f.path
	}
	return paths, nil
}

func compareNodes(a, b []*node) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return slices.CompareFunc(a, b, func(x, y *node) int { return x.order - y.order })
}

// nodesOf finds the certificates that a chain of views stands for. crypto/x509
// starts chains with the leaf and ends them with a root; that is checked
// nevertheless, byte for byte, since everything hangs on it.
func (s *search) nodesOf(chain []*x509.Certificate) ([]*node, *Error) {
	nodes := make([]*node, len(chain))
	for i, cert := range chain {
		n := s.nodeOf(cert)
		if n == nil || !bytes.Equal(n.cert.Raw, cert.Raw) {
			return nil, refuse(Unspecified, cert, "a certificate on the path that is neither configured nor presented")
		}
		nodes[i] = n
	}
	if len(nodes) < 2 || nodes[0] != s.leaf || s.t.anchorOf(nodes[len(nodes)-1].cert) == nil {
		return nil, refuse(Unspecified, s.leaf.cert, "a path that does not lead from the leaf to a trust anchor")
	}
	return nodes, nil
}

// checkPath makes the checks that crypto/x509 was kept from, or does not make,
// on a path whose signatures, dates and policies are good.
func (s *search) checkPath(nodes []*node, work *constraintWork) (Path, *Error) {
	path := Path{Certificates: make([]*x509.Certificate, len(nodes))}
	for i, n := range nodes {
		path.Certificates[i] = n.cert
		// It is nested, as crypto/x509 does it; this adds the empty list.
		if s.usage == x509.ExtKeyUsageClientAuth {
			if err := checkUsage(n.cert); err != nil {
				return Path{}, err
			}
		}
		if i == 0 {
			continue
		}
		if n.weak != nil {
			return Path{}, n.weak
		}
		if !mayIssue(n.cert) {
			return Path{}, refuse(Constraint, n.cert, "not a certificate that may sign certificates")
		}
	}
	if err := checkPathLength(nodes); err != nil {
		return Path{}, err
	}
	if err := work.check(nodes, &path); err != nil {
		return Path{}, err
	}
	return path, nil
}

// checkPathLength is RFC 5280, section 6.1.4(l) and (m): the number of
// intermediates below a certificate, those that are self-issued not counted,
// may not exceed its pathLenConstraint. A trust anchor's counts as well.
func checkPathLength(nodes []*node) *Error {
	below := 0
	for _, n := range nodes[1:] {
		if n.cert.BasicConstraintsValid && n.cert.MaxPathLen >= 0 && below > n.cert.MaxPathLen {
			return refuse(Constraint, n.cert, "too many intermediates for its path length constraint")
		}
		if !selfIssued(n.cert) {
			below++
		}
	}
	return nil
}

// Package certpath finds and validates certification paths for clients (RFC
// 5280, section 6, and section 7.1 for the names of issuers).
//
//   - Trust anchors are the self-signed certificates among those configured;
//     the others are intermediates, and anchors as well where partial chains
//     are allowed.
//   - The search goes depth first from the leaf, best candidates first (candidates),
//     and checks each signature once. It counts what it does and stops at a bound
//     (budget), so that no client can make it compute for longer.
//   - A path is valid where each certificate is valid now, may issue the one
//     below it, and fits the path length, name and policy constraints above it.
//
// Every check fails closed: what cannot be judged is refused. Nothing here
// reads a clock, and no certificate that is handed in is changed.
package certpath

import (
	"bytes"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
)

// maxPresented bounds how many of the certificates that a client sent along
// count.
const maxPresented = 10

// Options are the inputs of one validation.
type Options struct {
	// Now is the time that the path has to be valid at. It must be given.
	Now time.Time
	// Policies are what is asked of certificate policies; the zero value asks
	// for nothing.
	Policies PolicyInputs
	// Trace, if given, is told each check, in the order in which they are made.
	Trace func(Step)
}

// Path is a validated certification path.
type Path struct {
	// Certificates holds the path, leaf first and trust anchor last; RFC 5280
	// counts the other way round. They are those handed in, not copies, and a
	// leaf that is itself a trust anchor stands alone.
	Certificates []*certificate.Certificate

	constrained bool
	kinds       kindSet
}

// Constrained reports whether a certificate above the leaf carries name
// constraints, whatever they say.
func (p Path) Constrained() bool { return p.constrained }

// Constrains reports whether every certificate of the path that carries name
// constraints has permitted subtrees for this kind of name (DNS, Email, URI,
// IP, DirectoryName), none of which permits everything. Only such names are
// believed on a constrained path: excluded subtrees leave everything else to
// the CA's choice, and a CA that is constrained in other kinds alone could
// grant itself permission for this one in a certificate that it issues.
//
// On a path without name constraints it reports false.
func (p Path) Constrains(kind certificate.Kind) bool {
	return p.kinds&(1<<kind) != 0
}

// kindSet is a set of general name kinds: the bit of each is set.
type kindSet uint16

// Validate finds the certification paths from leaf to a trust anchor that are
// valid (RFC 5280, section 6). The presented certificates are untrusted
// intermediates in any order; of more than ten the first ten count, and none
// ever stands in for a trust anchor, nor for the leaf.
//
// A leaf that is itself a configured trust anchor, byte for byte, is a path of
// its own; any other CA certificate as a leaf is refused. Where the leaf says
// what its key is for, digital signatures or key agreement must be among it.
//
// Without a path the error is an *Error and there are no paths. The order of
// paths is always the same: those with fewer certificates first, then by the
// position, from the leaf upwards, of their certificates among those configured
// and after them among those presented.
//
// It spends at most about 10 ms of CPU, whatever was presented. What that does
// not suffice for is left out, the best candidates come first, and without a
// path the refusal is then TooCostly.
func (t *Trust) Validate(leaf *certificate.Certificate, presented []*certificate.Certificate, o Options) ([]Path, error) {
	if leaf == nil || len(leaf.Raw) == 0 || o.Now.IsZero() {
		return nil, refuse(Unspecified, leaf, "no certificate, or no time to judge it at")
	}
	if t == nil || len(t.bySubject) == 0 {
		return nil, refuse(IssuerNotFound, leaf, "no CA certificate is configured")
	}
	if err := checkLeaf(leaf, o, t.minRSABits); err != nil {
		return nil, err
	}
	if t.anchorOf(leaf) != nil {
		if err := o.step(PoliciesCheck, leaf, checkOwnPolicies(leaf, o.Policies)); err != nil {
			return nil, err
		}
		o.step(AnchorCheck, leaf, nil)
		return []Path{{Certificates: []*certificate.Certificate{leaf}}}, nil
	}
	if err := o.step(ClientCheck, leaf, checkClient(leaf)); err != nil {
		return nil, err
	}
	s := t.newSearch(leaf, presented, o)
	s.client = true
	paths, err := s.run(leafNode(leaf))
	if err != nil {
		return nil, err
	}
	return paths, nil
}

// newSearch prepares the search for paths from a certificate. Presented
// certificates that are configured are known already for what they are, and
// none stands in for the leaf.
func (t *Trust) newSearch(leaf *certificate.Certificate, presented []*certificate.Certificate, o Options) *search {
	s := &search{t: t, now: o.Now, policies: o.Policies, trace: o.Trace, left: budget - len(leaf.Raw)/bytesPerCost}
	for i, cert := range presented[:min(len(presented), maxPresented)] {
		if cert == nil {
			continue
		}
		s.left -= len(cert.Raw) / bytesPerCost
		if t.byRaw[string(cert.Raw)] != nil || bytes.Equal(cert.Raw, leaf.Raw) {
			continue
		}
		n := newNode(cert, t.size+i)
		n.intermediate = true
		n.judge(t.minRSABits)
		s.presented = append(s.presented, n)
	}
	return s
}

// validate judges the certificates of a path, leaf first, for what depends on
// more than one of them.
func (s *search) validate(nodes []*node) (Path, *Error) {
	path := Path{Certificates: make([]*certificate.Certificate, len(nodes))}
	for i, n := range nodes {
		path.Certificates[i] = n.cert
	}
	if err := s.step(PathLengthCheck, nil, checkPathLength(nodes)); err != nil {
		return Path{}, err
	}
	if err := s.step(NamesCheck, nil, s.checkNames(nodes, &path)); err != nil {
		return Path{}, err
	}
	if err := s.step(PoliciesCheck, nil, s.checkPolicies(nodes)); err != nil {
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
		if n.cert.MaxPathLen >= 0 && below > n.cert.MaxPathLen {
			return refuse(Constraint, n.cert, "too many intermediates for its path length constraint")
		}
		if !n.selfIssued() {
			below++
		}
	}
	return nil
}

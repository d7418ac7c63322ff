package certpath

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

const (
	// budget counts the work that is done, in thousandths of one signature
	// check on P-256, whatever the machine: 10 ms are some 150 such checks on
	// one of the slower kind. The rest is room for what is not counted.
	budget = 134_000

	// costStep is that of one certificate on one path: comparing names and
	// judging it.
	costStep = 10

	// maxDepth bounds the certificates on a path. Paths in use have up to five.
	maxDepth = 32
)

// search is the work on one leaf: a depth-first search from the leaf to trust
// anchors, best candidates first. It goes on to an issuer only after the
// signature was found good, and keeps what came closest to a path for the
// reason of a refusal.
type search struct {
	t         *Trust
	now       time.Time
	policies  PolicyInputs
	client    bool    // the path is for client authentication
	presented []*node // untrusted, none of them configured
	trace     func(Step)
	left      int  // of the budget
	cut       bool // something was left out because of it

	path     []*node
	children []*child // all that have been on a path
	found    []foundPath
	nearest  miss
	names    map[*node][]constrainedName
}

type foundPath struct {
	nodes []*node
	path  Path
}

// afford spends so much of the budget. Where less is left, it spends nothing and
// reports false.
func (s *search) afford(cost int) bool {
	if s.left < cost {
		s.cut = true
		return false
	}
	s.left -= cost
	return true
}

// run finds all valid paths from the leaf. Without one it returns the reason
// that came closest, or that it could not try everything.
func (s *search) run(leaf *node) ([]Path, *Error) {
	s.path = append(make([]*node, 0, 4), leaf)
	s.extend()
	if len(s.found) == 0 {
		if s.cut {
			return nil, refuse(TooCostly, leaf.cert, "trying all possible paths would take too long")
		}
		s.explain()
		return nil, s.nearest.err
	}
	slices.SortStableFunc(s.found, func(a, b foundPath) int {
		return cmp.Or(cmp.Compare(len(a.nodes), len(b.nodes)),
			slices.CompareFunc(a.nodes, b.nodes, func(x, y *node) int { return cmp.Compare(x.order, y.order) }))
	})
	paths := make([]Path, len(s.found))
	for i, f := range s.found {
		paths[i] = f.path
	}
	return paths, nil
}

// extend tries what may have issued the last certificate of s.path.
func (s *search) extend() {
	c := s.child(s.path[len(s.path)-1])
	s.traceChild(c)
	if c.unverifiable != nil || !s.afford(costStep*(1+len(c.candidates))) {
		return
	}
	if len(s.path) == maxDepth {
		s.nearest.note(complete, refuse(Constraint, c.cert, fmt.Sprintf("a path of over %d certificates", maxDepth)))
		return
	}
	for _, issuer := range c.candidates {
		if s.loops(issuer) || s.step(IssuerCheck, issuer, s.unfit(issuer)) != nil || !s.signedStep(c, issuer) {
			continue
		}
		s.path = append(s.path, issuer)
		if issuer.anchor {
			s.complete()
		}
		if issuer.intermediate {
			s.extend()
		}
		s.path = s.path[:len(s.path)-1]
	}
}

// loops reports a candidate of the name and key of a certificate that is
// already on the path. Without those between them the path would be shorter,
// and no less valid.
func (s *search) loops(candidate *node) bool {
	for _, n := range s.path {
		if n.subject == candidate.subject && n.key == candidate.key {
			return true
		}
	}
	return false
}

// complete judges s.path, which ends at a trust anchor.
func (s *search) complete() {
	if !s.afford(costStep * len(s.path)) {
		return
	}
	path, err := s.validate(s.path)
	if err != nil {
		s.nearest.note(complete, err)
		return
	}
	s.found = append(s.found, foundPath{slices.Clone(s.path), path})
}

// miss is the reason that came closest to a path: by how much of one was there.
type miss struct {
	by  int
	err *Error
}

const (
	unnamed  = iota // no certificate of the issuer's name
	named           // one of its name, another key
	issued          // the issuer's, which cannot issue
	complete        // a path to a trust anchor
)

// note keeps a reason. Of equals the first stays.
func (m *miss) note(by int, err *Error) {
	if m.err == nil || by > m.by {
		m.by, m.err = by, err
	}
}

// explain finds the reason of a refusal among the certificates that the search
// has reached: of each of them, what keeps its issuer from issuing it, or that it
// has none, unless the search has gone on from there.
func (s *search) explain() {
	for _, c := range slices.Backward(s.children) {
		s.explainChild(c)
	}
}

func (s *search) explainChild(c *child) {
	by, reason := unnamed, "no certificate of its issuer is known"
	kind := IssuerNotFound
	for _, issuer := range c.candidates {
		if c.unverifiable != nil {
			s.nearest.note(issued, c.unverifiable)
			return
		}
		// What a weak key would verify proves nothing.
		err := s.unfit(issuer)
		if err != nil && (issuer.weak != nil || s.signed(c, issuer)) {
			s.nearest.note(issued, err)
			return
		}
		// A self-signed certificate above the leaf is a root that is not
		// configured, whatever else has its name.
		if !c.selfIssued() {
			by, kind, reason = named, BadSignature, "the key of the issuer's certificate does not verify the signature"
		}
	}
	if c.signer == nil { // or the search has gone on from there
		s.nearest.note(by, refuse(kind, c.cert, reason))
	}
}

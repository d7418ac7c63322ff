package certpath

import (
	"bytes"
	"crypto/x509"
	"iter"
	"time"

	"mtls-auth/mtlsauth/internal/certname"
)

const (
	// budget bounds what one validation spends, in nanoseconds by the estimate
	// of edgeCost and what parsing and comparing names cost. It leaves room
	// below 10 ms for the rest, and has room for three signatures by P-521.
	budget = 9_000_000

	// diagnosis is the part of it that a better reason for a refusal is worth.
	diagnosis = 3_000_000

	// maxChecks is crypto/x509's own bound on signature checks, beyond which
	// it gives up and reports nothing that could be told apart.
	maxChecks = 100
)

// search is the work on one leaf.
type search struct {
	t         *Trust
	leaf      *node
	presented []*node // usable as intermediates, and reached from the leaf by name
	given     []*x509.Certificate
	now       time.Time
	usage     x509.ExtKeyUsage // that is asked of the path
	left      int64            // of the budget
	checks    int              // signature checks that the current estimate has counted
}

// newSearch keeps of the presented certificates those that could lie on a path.
func newSearch(t *Trust, leaf *x509.Certificate, presented []*x509.Certificate, now time.Time) *search {
	s := &search{
		t: t, now: now, usage: x509.ExtKeyUsageClientAuth, left: budget - costPerByteRead*int64(len(leaf.Raw)),
		given: presented[:min(len(presented), maxPresented)],
		leaf:  &node{cert: leaf, view: viewOf(leaf), order: -1},
	}
	var usable []*node
	for i, cert := range s.given {
		if cert != nil {
			s.left -= costPerByteRead * int64(len(cert.Raw))
		}
		if s.usable(cert, usable) {
			n := newNode(cert, t.size+i)
			n.intermediate = true
			usable = append(usable, n)
		}
	}
	if len(usable) > 0 {
		s.reach(usable)
	}
	return s
}

func (s *search) usable(cert *x509.Certificate, before []*node) bool {
	if cert == nil || len(cert.Raw) == 0 || !mayIssue(cert) ||
		// What is configured is known already, for what it is.
		s.t.byRaw[string(cert.Raw)] != nil || bytes.Equal(cert.Raw, s.leaf.cert.Raw) ||
		checkIssuerKey(cert, s.t.minRSABits) != nil || checkOddSize(cert) != nil {
		return false
	}
	for _, n := range before {
		if bytes.Equal(n.cert.Raw, cert.Raw) {
			return false
		}
	}
	return true
}

// reach fills s.presented with the usable certificates that a chain of names
// leads to from the leaf. Ordinarily the configured certificates suffice, and
// then nothing has to be built for this request.
func (s *search) reach(usable []*node) {
	seen := map[*node]bool{}
	for queue := []*node{s.leaf}; len(queue) > 0; queue = queue[1:] {
		issuer := queue[0].cert.RawIssuer
		for _, n := range usable {
			if !seen[n] && bytes.Equal(n.cert.RawSubject, issuer) {
				seen[n] = true
				s.presented = append(s.presented, n)
				queue = append(queue, n)
			}
		}
		for _, n := range s.t.bySubject[string(issuer)] {
			if n.intermediate && !seen[n] {
				seen[n] = true
				queue = append(queue, n)
			}
		}
	}
}

// verify has crypto/x509 find the chains, if that is sure to stay within the
// budget. If not, presented certificates that no trust anchor vouches for are
// dropped first.
func (s *search) verify() ([][]*x509.Certificate, *Error) {
	if !s.affordable() {
		if err := s.prune(); err != nil {
			return nil, err
		}
		if !s.affordable() {
			return nil, refuse(TooCostly, s.leaf.cert, "too many possible paths")
		}
	}
	chains, err := s.leaf.view.Verify(x509.VerifyOptions{
		Roots:         s.t.roots,
		Intermediates: s.pool(),
		CurrentTime:   s.now,
		KeyUsages:     []x509.ExtKeyUsage{s.usage},
	})
	if err != nil {
		return nil, s.diagnose(verifyError(err, s.now))
	}
	return chains, nil
}

// affordable reports whether crypto/x509's depth-first search would stay within
// what is left of the budget even if every signature were good. It takes what
// the search would spend off the budget.
func (s *search) affordable() bool {
	s.checks = 0
	left := s.left
	if !s.estimate(s.leaf, make([]*node, 0, maxPresented), &left) {
		return false
	}
	s.left = left
	return true
}

func (s *search) estimate(child *node, chain []*node, left *int64) bool {
	chain = append(chain, child)
	for parent, goesOn := range s.parents(child) {
		if s.checks++; s.checks > maxChecks {
			return false
		}
		if inChain(chain, parent) {
			continue
		}
		if *left -= edgeCost(child, parent); *left < 0 {
			return false
		}
		if goesOn && !s.estimate(parent, chain, left) {
			return false
		}
	}
	return true
}

// inChain reports the candidates that crypto/x509 passes over as loops, without
// a signature check: those with name and key of one that is in the chain. With
// subject alternative names it looks closer; then this reports false, which only
// makes the estimate higher.
func inChain(chain []*node, candidate *node) bool {
	for _, n := range chain {
		if n == candidate {
			return true
		}
		if bytes.Equal(n.cert.RawSubject, candidate.cert.RawSubject) &&
			bytes.Equal(n.cert.RawSubjectPublicKeyInfo, candidate.cert.RawSubjectPublicKeyInfo) &&
			extension(n.cert, certname.OIDSubjectAltName) == nil &&
			extension(candidate.cert, certname.OIDSubjectAltName) == nil {
			return true
		}
	}
	return false
}

// parents yields the certificates of child's issuer name that crypto/x509 is
// going to try, and whether it goes on from there: trust anchors, where a path
// ends, and intermediates. One that is both is tried twice, once as each.
func (s *search) parents(child *node) iter.Seq2[*node, bool] {
	return func(yield func(*node, bool) bool) {
		for _, n := range s.t.bySubject[string(child.cert.RawIssuer)] {
			if n.anchor && !yield(n, false) || n.intermediate && !yield(n, true) {
				return
			}
		}
		for _, n := range s.presented {
			if bytes.Equal(n.cert.RawSubject, child.cert.RawIssuer) && !yield(n, true) {
				return
			}
		}
	}
}

// pool returns the intermediates for crypto/x509: the configured ones as they
// are where none that was presented matters, else those alone that can matter.
func (s *search) pool() *x509.CertPool {
	if len(s.presented) == 0 {
		return s.t.intermediates
	}
	pool := x509.NewCertPool()
	seen := map[*node]bool{}
	for _, n := range s.presented {
		pool.AddCert(n.view)
	}
	for queue := append([]*node{s.leaf}, s.presented...); len(queue) > 0; queue = queue[1:] {
		for _, n := range s.t.bySubject[string(queue[0].cert.RawIssuer)] {
			if n.intermediate && !seen[n] {
				seen[n] = true
				pool.AddCert(n.view)
				queue = append(queue, n)
			}
		}
	}
	return pool
}

// nodeOf finds the node that a view was shown for.
func (s *search) nodeOf(view *x509.Certificate) *node {
	if view == s.leaf.view {
		return s.leaf
	}
	for _, n := range s.presented {
		if n.view == view {
			return n
		}
	}
	if n := s.t.byRaw[string(view.Raw)]; n != nil && n.view == view {
		return n
	}
	return nil
}

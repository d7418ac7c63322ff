package certpath

import (
	"bytes"
	"crypto/x509"
	"errors"
)

// prune drops the presented certificates for which no chain of good signatures
// leads down from a configured certificate. It starts at the configured ones,
// so that every signature is checked with a key that is trusted already: keys
// that a client made up to be expensive are never used. Each pair is checked
// once, and all of it is paid from the budget.
func (s *search) prune() *Error {
	var good []*node
	rest := s.presented
	for s.presented = nil; ; {
		var vouched, undecided []*node
		for _, n := range rest {
			ok, err := s.vouchedFor(n, good)
			if err != nil {
				return err
			}
			if ok {
				vouched = append(vouched, n)
			} else {
				undecided = append(undecided, n)
			}
		}
		if len(vouched) == 0 {
			return nil
		}
		s.presented = append(s.presented, vouched...)
		// The configured ones were tried in the first round: from now on only
		// what the last round found is new.
		good, rest = vouched, undecided
	}
}

// vouchedFor reports whether one of the good certificates signed n. With none
// it asks the configured ones.
func (s *search) vouchedFor(n *node, good []*node) (bool, *Error) {
	candidates := good
	if good == nil {
		candidates = s.t.bySubject[string(n.cert.RawIssuer)]
	}
	for _, parent := range candidates {
		if !parent.anchor && !parent.intermediate || !bytes.Equal(parent.cert.RawSubject, n.cert.RawIssuer) {
			continue
		}
		signed, err := s.signed(n, parent)
		if err != nil {
			return false, refuse(TooCostly, n.cert, "checking the certificates sent along would take too long")
		}
		if signed {
			return true, nil
		}
	}
	return false, nil
}

var errBudget = errors.New("budget spent")

// signed reports whether parent's key verifies child's signature, by an
// algorithm that still proves something. The check is paid for beforehand; its
// error is errBudget.
func (s *search) signed(child, parent *node) (bool, error) {
	if isInsecure(child.cert.SignatureAlgorithm) {
		return false, nil
	}
	if s.left -= edgeCost(child, parent); s.left < 0 {
		return false, errBudget
	}
	return checkSignature(child.cert, parent.cert), nil
}

func checkSignature(child, parent *x509.Certificate) bool {
	return parent.CheckSignature(child.SignatureAlgorithm, child.RawTBSCertificate, child.Signature) == nil
}

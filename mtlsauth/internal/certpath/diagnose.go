package certpath

import (
	"bytes"
	"crypto/x509"
)

// diagnose finds the better reason for a refusal that crypto/x509 reports as an
// unknown authority: that hides whether a certificate of the issuer's name was
// there, and what was wrong with it. It follows good signatures up from the
// leaf, at the expense of a part of the budget; where that ends, the reason
// found so far stands. It can change the kind only, never the outcome.
func (s *search) diagnose(refusal *Error) *Error {
	if refusal.Kind != IssuerNotFound {
		return refusal
	}
	s.left = min(s.left, diagnosis)
	all := s.everything()
	seen := map[*node]bool{}
	for queue := []*node{s.leaf}; len(queue) > 0; queue = queue[1:] {
		child := queue[0]
		var forged *Error
		var followed bool
		for _, parent := range all(child) {
			reason, good := s.fault(child, parent)
			switch {
			case reason == nil && !good: // budget spent
				return refusal
			case !good:
				forged = reason
			case reason != nil:
				return reason.because(refusal.Err)
			default:
				followed = true
				if !seen[parent] {
					seen[parent] = true
					queue = append(queue, parent)
				}
			}
		}
		if forged != nil && !followed && refusal.Kind == IssuerNotFound {
			refusal = forged.because(refusal.Err)
		}
	}
	return refusal
}

// everything returns a function that lists all certificates with the name of
// child's issuer, also those that cannot be used for a path.
func (s *search) everything() func(child *node) []*node {
	var presented []*node
	for i, cert := range s.given {
		if cert == nil || s.t.byRaw[string(cert.Raw)] != nil || bytes.Equal(cert.Raw, s.leaf.cert.Raw) {
			continue
		}
		n := newNode(cert, i)
		if n.weak = checkIssuerKey(cert, s.t.minRSABits); n.weak == nil {
			n.weak = checkOddSize(cert)
		}
		presented = append(presented, n)
	}
	return func(child *node) []*node {
		var out []*node
		out = append(out, s.t.bySubject[string(child.cert.RawIssuer)]...)
		for _, n := range presented {
			if bytes.Equal(n.cert.RawSubject, child.cert.RawIssuer) {
				out = append(out, n)
			}
		}
		return out
	}
}

// fault says what is wrong with parent as the issuer of child. good reports
// whether the signature is, or cannot be judged because of how weak it is. With
// the budget spent there is neither.
func (s *search) fault(child, parent *node) (reason *Error, good bool) {
	if isInsecure(child.cert.SignatureAlgorithm) {
		return refuse(WeakAlgorithm, child.cert, "signature algorithm "+child.cert.SignatureAlgorithm.String()+" is not accepted"), true
	}
	if parent.weak != nil {
		return parent.weak, true
	}
	signed, err := s.signed(child, parent)
	if err != nil {
		return nil, false
	}
	if !signed {
		return refuse(BadSignature, child.cert, "the key of the issuer's certificate does not verify the signature"), false
	}
	return s.standing(parent.cert), true
}

// standing says what keeps a certificate from issuing others at this time.
func (s *search) standing(cert *x509.Certificate) *Error {
	if err := checkDates(cert, s.now); err != nil {
		return err
	}
	if !mayIssue(cert) {
		return refuse(Constraint, cert, "not a certificate that may sign certificates")
	}
	if len(viewOf(cert).UnhandledCriticalExtensions) > 0 {
		return &Error{Kind: Constraint, Certificate: cert, Err: x509.UnhandledCriticalExtension{}}
	}
	return nil
}

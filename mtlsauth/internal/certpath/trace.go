package certpath

import (
	"slices"

	"mtls-auth/mtlsauth/internal/certificate"
)

// Check is one of the checks of a path.
type Check uint8

// The checks, in their order.
const (
	DatesCheck      Check = iota // of the leaf: valid now
	ExtensionsCheck              // of the leaf: critical extensions
	KeyCheck                     // of the leaf: kind and size of its key
	UsageCheck                   // of the leaf: extended key usage
	AnchorCheck                  // the leaf is itself a trust anchor
	ClientCheck                  // of the leaf: no CA certificate, key usage
	KnownCheck                   // a certificate of the issuer's name is known
	AlgorithmCheck               // the signature's algorithm
	IssuerCheck                  // of an issuer: valid now, key, CA, key usage, critical extensions
	SignatureCheck               // the issuer's key verifies the signature
	PathLengthCheck
	NamesCheck
	PoliciesCheck
)

var checkTexts = [...]string{
	DatesCheck: "validity period", ExtensionsCheck: "critical extensions", KeyCheck: "key", UsageCheck: "extended key usage",
	AnchorCheck: "a trust anchor itself", ClientCheck: "a client's certificate", KnownCheck: "issuer known",
	AlgorithmCheck: "signature algorithm", IssuerCheck: "may issue", SignatureCheck: "signature",
	PathLengthCheck: "path length", NamesCheck: "name constraints", PoliciesCheck: "certificate policies",
}

// String returns the check in words.
func (c Check) String() string { return checkTexts[c] }

// Step is one check that validation has made.
type Step struct {
	// Path is what it was made on, leaf first. The last one is what was judged; for
	// the checks from PathLengthCheck on the whole path was.
	Path  []*certificate.Certificate
	Check Check
	Err   *Error // nil: passed
}

// step tells of a check of the leaf, and returns its error.
func (o Options) step(check Check, leaf *certificate.Certificate, err *Error) *Error {
	if o.Trace != nil {
		o.Trace(Step{[]*certificate.Certificate{leaf}, check, err})
	}
	return err
}

// step tells of a check of a candidate for the next place of s.path, or with nil of all of
// s.path, and returns its error.
func (s *search) step(check Check, next *node, err *Error) *Error {
	if s.trace != nil {
		nodes := s.path
		if next != nil {
			nodes = append(slices.Clip(nodes), next)
		}
		path := make([]*certificate.Certificate, len(nodes))
		for i, n := range nodes {
			path[i] = n.cert
		}
		s.trace(Step{path, check, err})
	}
	return err
}

// signedStep is signed.
func (s *search) signedStep(c *child, issuer *node) bool {
	signed := s.signed(c, issuer)
	if s.trace == nil {
		return signed
	}
	var err *Error
	switch {
	case signed:
	case slices.Contains(c.others, issuer.key) || c.signer != nil:
		err = refuse(BadSignature, c.cert, "its key does not verify the signature")
	default:
		err = refuse(TooCostly, c.cert, "left out: it would take too long")
	}
	s.step(SignatureCheck, issuer, err)
	return signed
}

// traceChild tells what keeps a certificate from having any issuer.
func (s *search) traceChild(c *child) {
	var err *Error
	if len(c.candidates) == 0 {
		err = refuse(IssuerNotFound, c.cert, "no certificate of its issuer is configured, or was sent")
	}
	s.step(KnownCheck, nil, err)
	if err == nil {
		s.step(AlgorithmCheck, nil, c.unverifiable)
	}
}

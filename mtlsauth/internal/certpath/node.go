package certpath

import (
	"crypto/x509"
	"errors"
)

// node is a certificate with what the search asks of it again and again.
// Configured ones are shared by all searches and do not change.
type node struct {
	cert                         *x509.Certificate
	subject, issuer              string // names as they compare (RFC 5280, section 7.1)
	key                          string // SubjectPublicKeyInfo, which a key is known by
	authorityKeyID, subjectKeyID string

	order        int // position among the configured, then among the presented
	configured   bool
	anchor       bool // a path may end here
	intermediate bool // a path may go on from here

	// Set by judge.
	judged      bool
	cost        int    // of one signature check with its key
	weak        *Error // why nothing is verified with its key
	noIssuer    *Error // why it may not issue certificates
	noClients   *Error // why it may not issue those of clients
	constraints *nameConstraints
}

func newNode(cert *x509.Certificate, order int) *node {
	return &node{
		cert: cert, order: order,
		subject: string(cert.RawSubject), issuer: string(cert.RawIssuer), key: string(cert.RawSubjectPublicKeyInfo),
		authorityKeyID: string(cert.AuthorityKeyId), subjectKeyID: string(cert.SubjectKeyId),
	}
}

// selfIssued is RFC 5280, section 6.1: issuer and subject are the same name.
func (n *node) selfIssued() bool { return n.subject == n.issuer }

// judge says what a certificate is fit for as an issuer, at any time and on any
// path.
func (n *node) judge(minRSABits int) {
	if n.judged {
		return
	}
	n.judged = true
	n.cost = checkCost(n.cert.PublicKey)
	if n.weak = checkIssuerKey(n.cert, minRSABits); n.weak == nil && !n.configured {
		n.weak = checkOddSize(n.cert)
	}
	n.noIssuer = checkIssuer(n.cert)
	n.noClients = checkUsage(n.cert)
	var err error
	if n.constraints, err = parseNameConstraints(n.cert); err != nil && n.noIssuer == nil {
		n.noIssuer = &Error{Kind: Constraint, Certificate: n.cert, Err: err}
	}
}

// unfit says why the search does not take a certificate for an issuer.
func (s *search) unfit(n *node) *Error {
	if n.weak != nil {
		return n.weak
	}
	if err := checkDates(n.cert, s.now); err != nil {
		return err
	}
	if n.noIssuer != nil {
		return n.noIssuer
	}
	if s.client {
		return n.noClients
	}
	return nil
}

func (n *node) isCA() bool { return n.cert.BasicConstraintsValid && n.cert.IsCA }

// selfSigned reports whether the certificate's own key verifies it. Where the
// algorithm is not supported, as with MD5 on an old root, the name decides: what
// a trust anchor's own signature is worth does not matter (section 6.1.1(d)).
func (n *node) selfSigned() bool {
	return n.selfIssued() && verdicts.of(n.cert, verifiesItself)
}

func verifiesItself(cert *x509.Certificate) bool {
	// CheckSignature takes SHA-1, unlike CheckSignatureFrom.
	err := cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature)
	if _, insecure := errors.AsType[x509.InsecureAlgorithmError](err); insecure {
		return true
	}
	return err == nil || errors.Is(err, x509.ErrUnsupportedAlgorithm)
}

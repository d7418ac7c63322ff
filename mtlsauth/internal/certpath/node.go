package certpath

import (
	"errors"
	"sync/atomic"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/signature"
)

// node is a certificate with what the search asks of it again and again.
// Configured ones are shared by all searches and do not change.
type node struct {
	cert            *certificate.Certificate
	subject, issuer string // names as they compare (RFC 5280, section 7.1)
	key             string // SubjectPublicKeyInfo, which a key is known by

	order        int // position among the configured, then among the presented
	configured   bool
	anchor       bool // a path may end here
	intermediate bool // a path may go on from here

	// signer is the key that a configured certificate was found to be signed
	// with, once a search has asked.
	signer atomic.Pointer[string]

	// Set by judge.
	judged      bool
	cost        int    // of one signature check with its key
	weak        *Error // why nothing is verified with its key
	noIssuer    *Error // why it may not issue certificates
	noClients   *Error // why it may not issue those of clients
	constraints *nameConstraints
}

// leafNode is a certificate that is at the beginning of paths alone.
func leafNode(cert *certificate.Certificate) *node {
	return &node{cert: cert, order: -1, issuer: certificate.NameKey(cert.RawIssuer)}
}

func newNode(cert *certificate.Certificate, order int) *node {
	return &node{
		cert: cert, order: order,
		subject: certificate.NameKey(cert.RawSubject), issuer: certificate.NameKey(cert.RawIssuer),
		key: string(cert.RawSubjectPublicKeyInfo),
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
	var ok bool
	if n.constraints, ok = readNameConstraints(n.cert); !ok && n.noIssuer == nil {
		n.noIssuer = refuse(Constraint, n.cert, "malformed name constraints")
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

// selfSigned reports whether the certificate's own key verifies it. Where the
// algorithm is not supported, as with MD5 on an old root, the name decides: what
// a trust anchor's own signature is worth does not matter (section 6.1.1(d)).
func (n *node) selfSigned() bool {
	return n.selfIssued() && verdicts.of(n.cert, verifiesItself)
}

func verifiesItself(cert *certificate.Certificate) bool {
	algorithm, err := cert.SignatureAlgorithm()
	return errors.Is(err, signature.ErrUnsupported) ||
		err == nil && algorithm.VerifyMessage(cert.PublicKey, cert.RawTBSCertificate, cert.Signature) == nil
}

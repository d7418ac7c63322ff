package certpath

import (
	"crypto"
	"crypto/sha256"
	"errors"
	"sync"
	"sync/atomic"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/signature"
)

// node is a certificate with what the search asks of it again and again.
// Configured ones are shared by all searches and do not change.
type node struct {
	cert            *certificate.Certificate
	subject, issuer string // names as they compare (RFC 5280, section 7.1)
	key             string // SubjectPublicKeyInfo

	order        int // position among the configured, then among the presented
	configured   bool
	anchor       bool // a path may end here
	intermediate bool // a path may go on from here

	// signer is a configured certificate whose key was found to have signed
	// this configured one.
	signer atomic.Pointer[node]

	// Set by judge.
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
	n.cost = checkCost(n.cert.PublicKey)
	n.weak = checkKey(n.cert, minRSABits, signature.CheckIssuerKey)
	if n.weak == nil && !n.configured {
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
	if n.noIssuer != nil || !s.client {
		return n.noIssuer
	}
	return n.noClients
}

// sameKey reports that both certificates have one key, however it is encoded.
func (n *node) sameKey(other *node) bool {
	key, ok := n.cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(other.cert.PublicKey)
}

// sameModulus reports that both certificates have one RSA key, whatever it may be used for.
func (n *node) sameModulus(other *node) bool {
	key, ok1 := signature.RSA(n.cert.PublicKey)
	same, ok2 := signature.RSA(other.cert.PublicKey)
	return ok1 && ok2 && key.Equal(same)
}

// maxSelfSigned bounds what is remembered, at some 50 bytes each.
const maxSelfSigned = 10_000

// selfSigned remembers of configured certificates, by the digest of all of their
// bytes, whether they are self-signed: a Trust is made within a request whenever
// one of them has changed, and two hundred signatures on P-384 would take that
// request 120 ms.
var selfSigned struct {
	sync.Mutex
	known map[[sha256.Size]byte]bool
}

// isSelfSigned reports whether issuer is subject and the certificate's own key
// verifies it. Where the algorithm is not supported, as with MD2 on an old root,
// the name decides: what a trust anchor's own signature is worth does not matter
// (section 6.1.1(d)).
func (n *node) isSelfSigned() bool {
	if !n.selfIssued() {
		return false
	}
	id := n.cert.Fingerprint()
	selfSigned.Lock()
	is, known := selfSigned.known[id]
	selfSigned.Unlock()
	if known {
		return is
	}
	algorithm, err := n.cert.SignatureAlgorithm()
	is = errors.Is(err, signature.ErrUnsupported) ||
		err == nil && algorithm.VerifyMessage(n.cert.PublicKey, n.cert.RawTBSCertificate, n.cert.Signature) == nil
	selfSigned.Lock()
	defer selfSigned.Unlock()
	// Which of them are still configured is not known, so all go; those in use
	// come back at the next change.
	if len(selfSigned.known) >= maxSelfSigned || selfSigned.known == nil {
		selfSigned.known = map[[sha256.Size]byte]bool{}
	}
	selfSigned.known[id] = is
	return is
}

package crl

import (
	"sync"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/signature"
)

// maxVerified bounds the keys whose verdict a list remembers. A list has one
// that verifies it; the others are of CAs that share its issuer's name.
const maxVerified = 16

// verified remembers by which keys, as SubjectPublicKeyInfo, a list is signed
// and by which it is not.
type verified struct {
	mu    sync.Mutex
	known map[string]bool
}

// Verify reports by its error whether signer may sign this list and has: its
// subject is possibly the list's issuer, its key usage, where it has any, includes
// cRLSign (RFC 5280, section 6.3.3(f)), its key is strong enough (minRSABits as
// for signature.CheckIssuerKey), the algorithm is not SHA-1, and the signature is
// its key's. Key identifiers are not compared: they are there to choose among
// keys. Whether signer itself can be trusted is the caller's to know.
//
// The signature is checked once for each key; the error is an *Error.
func (l *List) Verify(signer *certificate.Certificate, minRSABits int) error {
	return plain(l.verify(signer, minRSABits))
}

func (l *List) verify(signer *certificate.Certificate, minRSABits int) *Error {
	if certificate.Compare(signer.RawSubject, l.RawIssuer) == certificate.Different {
		return refuse(WrongIssuer, "CRL is of another issuer")
	}
	if signer.HasKeyUsage && signer.KeyUsage&certificate.KeyUsageCRLSign == 0 {
		return refuse(Unauthorized, "key usage of the CRL's signer is without cRLSign")
	}
	if l.Algorithm.Insecure() {
		return refusef(WeakAlgorithm, "CRL is signed with %v", l.Algorithm)
	}
	if err := signature.CheckIssuerKey(signer.PublicKey, minRSABits); err != nil {
		return refusef(WeakAlgorithm, "checking the CRL's signer: %w", err)
	}
	if !l.signedBy(signer) {
		return refusef(BadSignature, "checking the CRL's signature: %w", signature.ErrMismatch)
	}
	return nil
}

// signedBy is the signature check alone.
func (l *List) signedBy(signer *certificate.Certificate) bool {
	key := signer.RawSubjectPublicKeyInfo
	if len(key) == 0 {
		// Not from a parser: its key could not be told from others.
		return false
	}
	v := &l.verified
	v.mu.Lock()
	ok, known := v.known[string(key)]
	v.mu.Unlock()
	if known {
		return ok
	}
	ok = l.Algorithm.Verify(signer.PublicKey, l.message, l.signature) == nil
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.known) >= maxVerified {
		if !ok {
			return false
		}
		clear(v.known)
	}
	if v.known == nil {
		v.known = map[string]bool{}
	}
	v.known[string(key)] = ok
	return ok
}

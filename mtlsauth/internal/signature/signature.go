// Package signature says which signature algorithms and public keys prove
// something, and verifies what certificates (RFC 5280, section 4.1.1.3), OCSP
// responses (RFC 6960, section 4.2.1) and CRLs (RFC 5280, section 5.1.1.2) are
// signed with.
//
// It verifies digests, so that a CRL of any size is hashed while it is read.
// Everything fails closed: an algorithm that is not known is refused.
package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Algorithm is a signature algorithm. The zero value verifies nothing.
type Algorithm struct {
	scheme scheme
	hash   crypto.Hash
	pss    pss // where scheme is rsaPSS
}

// Errors of Parse and Verify.
var (
	// ErrUnsupported: an algorithm, or parameters of one, that are not known.
	ErrUnsupported = errors.New("signature algorithm is not supported")
	// ErrMismatch: the signature is not the key's, or the key is of another
	// kind than the algorithm.
	ErrMismatch = errors.New("signature does not verify")
)

// Parse reads an AlgorithmIdentifier, the whole element in DER. Parameters are
// those of RSASSA-PSS (RFC 4055, section 3.1), whatever its hashes and the
// length of its salt, and none for Ed25519 (RFC 8410). Others have none that
// mean anything: one may be written and is not read.
func Parse(der []byte) (Algorithm, error) {
	input := cryptobyte.String(der)
	var sequence, id cryptobyte.String
	if !input.ReadASN1(&sequence, asn1.SEQUENCE) || !input.Empty() || !sequence.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) {
		return Algorithm{}, fmt.Errorf("%w: not an AlgorithmIdentifier", ErrUnsupported)
	}
	a, known := algorithms[string(id)]
	if !known {
		return Algorithm{}, fmt.Errorf("%w: %s", ErrUnsupported, nameOf(id))
	}
	switch a.scheme {
	case rsaPSS:
		var ok bool
		if a.pss, ok = parsePSS(sequence); !ok {
			return Algorithm{}, fmt.Errorf("%w: parameters of RSASSA-PSS", ErrUnsupported)
		}
		a.hash = a.pss.hash
	case pureEd25519:
		if !sequence.Empty() {
			return Algorithm{}, fmt.Errorf("%w: Ed25519 with parameters", ErrUnsupported)
		}
	default:
		var parameter cryptobyte.String
		if !sequence.Empty() && (!sequence.ReadAnyASN1(&parameter, nil) || !sequence.Empty()) {
			return Algorithm{}, fmt.Errorf("%w: malformed parameters", ErrUnsupported)
		}
	}
	return a, nil
}

// Hash is what the message is digested with; 0 says that the message itself is
// signed (Ed25519, RFC 8032).
func (a Algorithm) Hash() crypto.Hash { return a.hash }

// Insecure reports algorithms that prove nothing any more: those with MD5 or
// SHA-1. As the hash of a mask (RFC 8017, appendix B.2.1) either does no harm.
func (a Algorithm) Insecure() bool { return a.hash == crypto.SHA1 || a.hash == crypto.MD5 }

// String names the algorithm for the log.
func (a Algorithm) String() string {
	names := [...]string{none: "none", rsaPKCS1: "RSA", rsaPSS: "RSA-PSS", ecdsaASN1: "ECDSA", pureEd25519: "Ed25519"}
	if a.hash == 0 {
		return names[a.scheme]
	}
	return names[a.scheme] + " with " + a.hash.String()
}

// Verify reports by its error whether signature is key's for a message with
// this digest; where Hash is 0, digest is the message. It does not ask whether
// the algorithm is insecure, nor whether the key is weak: see Insecure and
// CheckKey.
func (a Algorithm) Verify(key crypto.PublicKey, digest, signature []byte) error {
	if a.hash != 0 && len(digest) != a.hash.Size() {
		// ECDSA takes what it is given, and less than the digest on smaller
		// curves.
		return ErrMismatch
	}
	ok := false
	switch key := key.(type) {
	case *rsa.PublicKey:
		switch a.scheme {
		case rsaPKCS1:
			ok = rsa.VerifyPKCS1v15(key, a.hash, digest, signature) == nil
		case rsaPSS:
			ok = a.pss.verify(key, digest, signature)
		}
	case *PSSKey:
		fits := !key.restricted || a.pss.hash == key.parameters.hash && a.pss.mask == key.parameters.mask && a.pss.salt >= key.parameters.salt
		ok = a.scheme == rsaPSS && fits && a.pss.verify(key.PublicKey, digest, signature)
	case *ecdsa.PublicKey:
		ok = a.scheme == ecdsaASN1 && ecdsa.VerifyASN1(key, digest, signature)
	case ed25519.PublicKey:
		ok = a.scheme == pureEd25519 && ed25519.Verify(key, digest, signature)
	}
	if !ok {
		return ErrMismatch
	}
	return nil
}

// Digest returns what Verify takes for a message: its digest, or where Hash is 0
// the message itself.
func (a Algorithm) Digest(message []byte) []byte {
	if a.hash == 0 {
		return message
	}
	h := a.hash.New()
	h.Write(message)
	return h.Sum(nil)
}

// VerifyMessage is Verify for a message that is at hand as a whole.
func (a Algorithm) VerifyMessage(key crypto.PublicKey, message, signature []byte) error {
	return a.Verify(key, a.Digest(message), signature)
}

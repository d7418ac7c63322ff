// Package signature says which signature algorithms and public keys still prove
// something, and verifies what certificate status is signed with: OCSP
// responses (RFC 6960, section 4.2.1) and CRLs (RFC 5280, section 5.1.1.2).
//
// It verifies digests, so that a CRL of any size is hashed while it is read.
// Everything fails closed: an algorithm that is not known is refused.
package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha1" // for Algorithm.Hash: see Insecure
	_ "crypto/sha256"
	_ "crypto/sha512"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// scheme is how a digest becomes a signature.
type scheme uint8

const (
	none scheme = iota
	rsaPKCS1
	rsaPSS
	ecdsaASN1
	pureEd25519
)

// Algorithm is a signature algorithm. The zero value verifies nothing.
type Algorithm struct {
	scheme scheme
	hash   crypto.Hash
}

// Errors of Parse and Verify.
var (
	// ErrUnsupported: an algorithm, or parameters of one, that are not known.
	ErrUnsupported = errors.New("signature algorithm is not supported")
	// ErrMismatch: the signature is not the key's, or the key is of another
	// kind than the algorithm.
	ErrMismatch = errors.New("signature does not verify")
)

// oids are the algorithms by the content of their object identifiers. SHA-1 is
// among them so that the log can say what is wrong: see Insecure. MD5 is as
// unknown as any other.
var oids = map[string]Algorithm{
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05": {rsaPKCS1, crypto.SHA1},
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b": {rsaPKCS1, crypto.SHA256},
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c": {rsaPKCS1, crypto.SHA384},
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d": {rsaPKCS1, crypto.SHA512},
	oidPSS:                                 {rsaPSS, 0},
	"\x2a\x86\x48\xce\x3d\x04\x01":         {ecdsaASN1, crypto.SHA1},
	"\x2a\x86\x48\xce\x3d\x04\x03\x02":     {ecdsaASN1, crypto.SHA256},
	"\x2a\x86\x48\xce\x3d\x04\x03\x03":     {ecdsaASN1, crypto.SHA384},
	"\x2a\x86\x48\xce\x3d\x04\x03\x04":     {ecdsaASN1, crypto.SHA512},
	"\x2b\x65\x70":                         {pureEd25519, 0},
}

const oidPSS = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"

// Parse reads an AlgorithmIdentifier, the whole element in DER. Parameters have
// to be what the algorithm's RFC says: NULL or none for PKCS #1 v1.5 (RFC 4055,
// section 5; some leave it out), none for ECDSA and Ed25519 (RFC 5758, RFC
// 8410), and for PSS one hash for message and mask, with a salt as long as it.
func Parse(der []byte) (Algorithm, error) {
	input := cryptobyte.String(der)
	var sequence, id cryptobyte.String
	if !input.ReadASN1(&sequence, asn1.SEQUENCE) || !input.Empty() || !sequence.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) {
		return Algorithm{}, fmt.Errorf("%w: not an AlgorithmIdentifier", ErrUnsupported)
	}
	a, known := oids[string(id)]
	if !known {
		return Algorithm{}, fmt.Errorf("%w: object identifier % x", ErrUnsupported, []byte(id[:min(len(id), 20)]))
	}
	switch {
	case a.scheme == rsaPSS:
		hash, ok := pssHashes[string(sequence)]
		if !ok {
			return Algorithm{}, fmt.Errorf("%w: parameters of RSASSA-PSS", ErrUnsupported)
		}
		a.hash = hash
	case sequence.Empty(), a.scheme == rsaPKCS1 && string(sequence) == "\x05\x00":
	default:
		return Algorithm{}, fmt.Errorf("%w: it has parameters", ErrUnsupported)
	}
	return a, nil
}

// pssHashes are the parameters of RSASSA-PSS that are accepted (RFC 4055,
// section 3.1), as crypto/x509 does it: the NULLs may be left out, in each of
// the two places, and the trailer field may be written, whose only value is its
// default.
var pssHashes = func() map[string]crypto.Hash {
	all := map[string]crypto.Hash{}
	both := []bool{true, false}
	for id, hash := range map[string]crypto.Hash{
		"\x60\x86\x48\x01\x65\x03\x04\x02\x01": crypto.SHA256,
		"\x60\x86\x48\x01\x65\x03\x04\x02\x02": crypto.SHA384,
		"\x60\x86\x48\x01\x65\x03\x04\x02\x03": crypto.SHA512,
	} {
		for _, hashNull := range both {
			for _, maskNull := range both {
				for _, trailer := range both {
					all[pssParameters(id, hash, hashNull, maskNull, trailer)] = hash
				}
			}
		}
	}
	return all
}()

func pssParameters(hashID string, hash crypto.Hash, hashNull, maskNull, trailer bool) string {
	const oidMGF1 = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08"
	identifier := func(null bool) cryptobyte.BuilderContinuation {
		return func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(hashID)) })
				if null {
					b.AddBytes([]byte{5, 0})
				}
			})
		}
	}
	explicit := func(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(explicit(0), identifier(hashNull))
		b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(oidMGF1)) })
				identifier(maskNull)(b)
			})
		})
		b.AddASN1(explicit(2), func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(hash.Size())) })
		if trailer {
			b.AddASN1(explicit(3), func(b *cryptobyte.Builder) { b.AddASN1Int64(1) })
		}
	})
	return string(b.BytesOrPanic())
}

// Hash is what the message is digested with; 0 says that the message itself is
// signed (Ed25519, RFC 8032).
func (a Algorithm) Hash() crypto.Hash { return a.hash }

// Insecure reports algorithms that prove nothing any more: those with SHA-1.
func (a Algorithm) Insecure() bool { return a.hash == crypto.SHA1 }

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
			ok = rsa.VerifyPSS(key, a.hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
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
	if a.scheme == none {
		return ErrMismatch
	}
	if a.hash == 0 {
		return a.Verify(key, message, signature)
	}
	h := a.hash.New()
	h.Write(message)
	return a.Verify(key, h.Sum(nil), signature)
}

// Package certificate reads a certificate (RFC 5280, section 4.1), once and for
// all rooms: this is the product's only reading of one.
//
// It reads what the field writes. What RFC 5280 forbids but nothing depends on
// is tolerated: characters outside a string type's set, negative and long serial
// numbers, object identifiers of any size, keys and algorithms that are not
// supported, extensions that validation does not need and that cannot be
// decoded. What could be read in two ways is refused: data after an element, an
// extension that comes twice, lengths that are not DER.
//
// It judges no certificate: that is for certpath. What it says of an extension
// that it cannot read always refuses more, never less.
package certificate

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"errors"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"mtls-auth/mtlsauth/internal/signature"
)

// Certificate is a certificate as it was read. It does not change, and its
// slices lie in Raw: nothing may write to them.
type Certificate struct {
	Raw                     []byte // the whole certificate
	RawTBSCertificate       []byte // what is signed
	RawSubject              []byte // DER RDNSequence
	RawIssuer               []byte // DER RDNSequence
	RawSubjectPublicKeyInfo []byte
	RawSignatureAlgorithm   []byte // DER AlgorithmIdentifier beside the signature
	signedAlgorithm         []byte // and within what is signed
	Signature               []byte

	// Version is 1, 2 or 3, or another number that was written in its place.
	// Extensions are read whatever it says.
	Version int
	// Serial is the serial number as the content of its INTEGER: two's
	// complement, not empty, and the shortest form, so that equal numbers have
	// equal bytes.
	Serial    []byte
	NotBefore time.Time
	NotAfter  time.Time
	// PublicKey is an *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey,
	// *signature.PSSKey, or a signature.UnsupportedKey that says by name what
	// it is. It is never nil.
	PublicKey crypto.PublicKey

	// Extensions are all extensions in their order, no two of one kind.
	Extensions []Extension

	// IsCA and MaxPathLen are basicConstraints (section 4.2.1.9). MaxPathLen is
	// -1 where there is no pathLenConstraint.
	IsCA       bool
	MaxPathLen int

	// KeyUsage holds the bits of section 4.2.1.3; HasKeyUsage says whether
	// there is such an extension.
	KeyUsage    KeyUsage
	HasKeyUsage bool

	// HasExtKeyUsage says whether there is an extended key usage (section
	// 4.2.1.12); see Allows. An empty one allows nothing.
	HasExtKeyUsage bool
	extKeyUsage    cryptobyte.String // a list of OBJECT IDENTIFIER

	// SubjectKeyId and AuthorityKeyId are nil where the extension is absent or
	// cannot be read.
	SubjectKeyId   []byte
	AuthorityKeyId []byte
	// AuthorityIssuer (the content of a GeneralNames) and AuthoritySerial (as
	// Serial) are the other half of the authority key identifier: the issuer
	// and serial number of the issuer's certificate.
	AuthorityIssuer []byte
	AuthoritySerial []byte
}

// Extension is one extension (section 4.1.2.9).
type Extension struct {
	ID       OID
	Critical bool
	Value    []byte // content of the OCTET STRING
}

// KeyUsage is a set of the uses of section 4.2.1.3.
type KeyUsage uint16

// The bits of key usage.
const (
	KeyUsageDigitalSignature KeyUsage = 1 << iota
	KeyUsageContentCommitment
	KeyUsageKeyEncipherment
	KeyUsageDataEncipherment
	KeyUsageKeyAgreement
	KeyUsageCertSign
	KeyUsageCRLSign
	KeyUsageEncipherOnly
	KeyUsageDecipherOnly
)

// Equal reports whether both are the same certificate, byte for byte.
func (c *Certificate) Equal(other *Certificate) bool {
	return c == other || c != nil && other != nil && bytes.Equal(c.Raw, other.Raw)
}

// Fingerprint is the SHA-256 of the certificate.
func (c *Certificate) Fingerprint() [sha256.Size]byte { return sha256.Sum256(c.Raw) }

// SerialNumber returns the serial number, which may be negative.
func (c *Certificate) SerialNumber() *big.Int { return integer(c.Serial) }

var errAlgorithmsDiffer = errors.New("the signature's algorithm is not the one that was signed")

// SignatureAlgorithm returns what the certificate is signed with. It is an error
// where that is not supported, has parameters that cannot be read, or is not
// the algorithm inside of what is signed (section 4.1.1.2).
func (c *Certificate) SignatureAlgorithm() (signature.Algorithm, error) {
	if !bytes.Equal(c.signedAlgorithm, c.RawSignatureAlgorithm) {
		return signature.Algorithm{}, errAlgorithmsDiffer
	}
	return signature.Parse(c.RawSignatureAlgorithm)
}

// Extension returns the extension of this kind, nil if there is none.
func (c *Certificate) Extension(id OID) *Extension {
	for i := range c.Extensions {
		if c.Extensions[i].ID == id {
			return &c.Extensions[i]
		}
	}
	return nil
}

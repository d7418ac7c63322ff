// Package crl reads certificate revocation lists and judges certificates by
// them (RFC 5280, sections 5 and 6.3).
//
// [Read] takes a list from a stream: the signed bytes are hashed and the serial
// numbers packed while they arrive, so that neither the DER nor a value for
// each entry is ever held. [Target.Judge] is section 6.3.3 for one certificate
// and one list, with delta CRLs, indirect CRLs and lists for some reasons.
// Nothing here fetches anything or reads a clock.
//
// Everything fails closed, in both directions. A list that cannot be judged is an
// [*Error], never a list on which a certificate is not found; "not listed" speaks
// only of the reasons in [Outcome].Reasons. And what the issuer has signed counts
// against a certificate even where it cannot count for it: a list with a flaw
// (version 1, no CRL number, past its nextUpdate, a critical extension that is
// not supported) revokes what it lists and clears no certificate, as X.509
// (2019), section 7.3, has it for such extensions.
//
// # Decisions where the RFC leaves room
//
// Names compare by section 7.1, and URIs after normalization. Where it cannot be
// said whether two names are equal, a list counts against and not for.
//
// Key identifiers choose among keys, and signatures decide.
//
// A critical freshest CRL extension is a flaw: by X.509 such a list must not be
// used without the delta that it points to, and deltas are not fetched.
//
// removeFromCRL may only appear in a delta CRL (section 5.3.1). A complete list
// that has it for a certificate is of no use for this one: step (k) would take
// it for unrevoked, on the word of a list that is wrong about itself.
//
// The date of a revocation is not kept. It decides nothing, and would be a
// fifth of the memory.
package crl

import (
	"bytes"
	"crypto/sha256"
	"math/big"
	"time"

	"mtls-auth/mtlsauth/internal/signature"
)

// Header is what a list says before its entries.
type Header struct {
	// RawIssuer is the DER Name of the list's issuer.
	RawIssuer []byte
	// ThisUpdate and NextUpdate are in UTC. NextUpdate is zero where absent, and
	// either where it is not a time.
	ThisUpdate, NextUpdate time.Time
	// Algorithm is what the list says that it is signed with.
	Algorithm signature.Algorithm
}

// List is one CRL, complete or delta. What Read returns is not verified, only
// well-formed: see Verify and Target.Judge. It is never changed afterwards, and
// safe for use by many goroutines; its fields are to be read only. The zero
// value is a list that nothing verifies.
type List struct {
	Header

	// Number is the CRL number, nil where absent.
	Number *big.Int
	// BaseNumber is what a delta CRL builds on, nil in a complete list.
	BaseNumber *big.Int
	// IssuingDistributionPoint is nil where absent.
	IssuingDistributionPoint *IssuingDistributionPoint
	// AuthorityKeyID is the keyIdentifier of the authority key identifier; nil
	// where absent.
	AuthorityKeyID []byte
	// Flaw is what was wrong when the list was read and was no reason to stop: it
	// then clears no certificate. nil for nothing.
	Flaw *Error

	entries   entries
	message   []byte // the digest of the signed bytes, or these (Ed25519)
	signature []byte
	verified  verified
}

// Len returns the number of entries, equal ones counted each.
func (l *List) Len() int { return l.entries.count }

// Size returns the bytes that the list keeps in memory, to within some
// hundreds.
func (l *List) Size() int {
	return listOverhead + len(l.RawIssuer) + len(l.AuthorityKeyID) + l.IssuingDistributionPoint.size() +
		len(l.message) + len(l.signature) + l.entries.bytes()
}

// listOverhead is about what a List takes beside what Size counts.
const listOverhead = 512

// Digest tells lists apart by what is signed and by the signature.
func (l *List) Digest() [sha256.Size]byte {
	return sha256.Sum256(append(bytes.Clone(l.message), l.signature...))
}

// Lookup finds a certificate by its issuer (a DER Name) and serial number (the
// content octets of its INTEGER), and returns the reason that the list gives:
// where it is listed more than once, one that revokes before certificateHold,
// and that before removeFromCRL. An entry whose issuer's name is possibly equal
// counts but for removeFromCRL. It makes none of the checks that Judge makes.
func (l *List) Lookup(rawIssuer, serial []byte) (Reason, bool) {
	return l.entries.lookup(l.RawIssuer, rawIssuer, serial)
}

func (l *List) flawed(e *Error) {
	if l.Flaw == nil {
		l.Flaw = e
	}
}

package ocsp

import (
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/der"
)

// entry is a SingleResponse (RFC 6960, section 4.2.1).
type entry struct {
	id                     certID
	status                 Status
	reason                 int
	thisUpdate, nextUpdate time.Time
	// flaw is why the entry clears no certificate: an unknown critical extension,
	// or one that is malformed; nil for nothing.
	flaw error
}

func parseEntry(single cryptobyte.String) (entry, bool) {
	var id, wrapped cryptobyte.String
	var present, ok bool
	e := entry{reason: NoReason}
	if !single.ReadASN1(&id, asn1.SEQUENCE) || !e.parseID(id) || !e.parseStatus(&single) {
		return entry{}, false
	}
	if e.thisUpdate, ok = readTime(&single); !ok {
		return entry{}, false
	}
	if !single.ReadOptionalASN1(&wrapped, &present, explicit0) {
		return entry{}, false
	}
	if present {
		if e.nextUpdate, ok = readTime(&wrapped); !ok || !wrapped.Empty() || e.nextUpdate.Before(e.thisUpdate) {
			e.flaw = malformed("nextUpdate")
		}
	}
	if !single.ReadOptionalASN1(&wrapped, &present, explicit1) || !single.Empty() {
		return entry{}, false
	}
	if present {
		critical, ok := parseExtensions(wrapped)
		switch {
		case !ok:
			e.flaw = malformed("singleExtensions")
		case critical:
			e.flaw = refuse(Critical, "unknown critical extension in the entry for the certificate")
		}
	}
	return e, true
}

func (e *entry) parseID(id cryptobyte.String) bool {
	var algorithm, oid, nameHash, keyHash cryptobyte.String
	e.id.serial = new(big.Int)
	if !id.ReadASN1(&algorithm, asn1.SEQUENCE) || !algorithm.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) ||
		!id.ReadASN1(&nameHash, asn1.OCTET_STRING) || !id.ReadASN1(&keyHash, asn1.OCTET_STRING) ||
		!id.ReadASN1Integer(e.id.serial) || !id.Empty() {
		return false
	}
	// Parameters are NULL or left out; with others it is another algorithm.
	if algorithm.Empty() || string(algorithm) == "\x05\x00" {
		e.id.hash = certIDHashes[string(oid)]
	}
	e.id.nameHash, e.id.keyHash = nameHash, keyHash
	return true
}

func (e *entry) parseStatus(single *cryptobyte.String) bool {
	var content, wrapped cryptobyte.String
	var tag asn1.Tag
	if !single.ReadAnyASN1(&content, &tag) {
		return false
	}
	switch tag {
	case tag0:
		e.status = Good
		return content.Empty()
	case tag2:
		e.status = Unknown
		return content.Empty()
	case explicit1:
		e.status = Revoked
		var present bool
		// When it was revoked decides nothing.
		if !content.SkipASN1(asn1.GeneralizedTime) || !content.ReadOptionalASN1(&wrapped, &present, explicit0) || !content.Empty() {
			return false
		}
		// A reason that RFC 5280 does not know is no less a revocation.
		return !present || wrapped.ReadASN1Enum(&e.reason) && wrapped.Empty() && e.reason >= 0
	}
	return false
}

// readTime reads a GeneralizedTime (RFC 6960, section 4.2.2.1).
func readTime(input *cryptobyte.String) (time.Time, bool) {
	if !input.PeekASN1Tag(asn1.GeneralizedTime) {
		return time.Time{}, false
	}
	return der.ReadTime(input)
}

// maxExtensions bounds the extensions of a response and of an entry. RFC 6960
// and RFC 6962 define seven, and a response may have each of them once.
const maxExtensions = 32

// oidNonce is id-pkix-ocsp-nonce (RFC 9654).
const oidNonce = "\x2b\x06\x01\x05\x05\x07\x30\x01\x02"

// parseExtensions reads Extensions and reports whether one that is critical is
// not known (RFC 6960, section 4.4). None has to be understood but the nonce,
// which means nothing where none was sent. ok is false where they are
// malformed: also when one comes twice (RFC 5280, section 4.2).
func parseExtensions(input cryptobyte.String) (critical, ok bool) {
	var extensions cryptobyte.String
	if !input.ReadASN1(&extensions, asn1.SEQUENCE) || !input.Empty() || extensions.Empty() {
		return false, false
	}
	seen := map[string]bool{}
	for !extensions.Empty() {
		e, ok := der.ReadExtension(&extensions)
		if !ok || seen[string(e.OID)] || len(seen) == maxExtensions {
			return false, false
		}
		seen[string(e.OID)] = true
		critical = critical || e.Critical && string(e.OID) != oidNonce
	}
	return critical, true
}

// until is the last instant at which the entry may be used.
func (e *entry) until() time.Time {
	if e.nextUpdate.IsZero() {
		return e.thisUpdate.Add(MaxAge)
	}
	return e.nextUpdate
}

// answer is the entry as signed by the issuer, or by delegate.
func (e *entry) answer(delegate *certificate.Certificate) Answer {
	a := Answer{Status: e.status, Reason: e.reason, ThisUpdate: e.thisUpdate, Until: e.until()}
	if delegate != nil {
		if delegate.NotAfter.Before(a.Until) {
			a.Until = delegate.NotAfter
		}
		if mustBeAsked(delegate) {
			a.Responder = delegate
		}
	}
	return a
}

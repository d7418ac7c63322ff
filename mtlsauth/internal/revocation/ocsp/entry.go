package ocsp

import (
	"crypto/x509"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// entry is a SingleResponse (RFC 6960, section 4.2.1).
type entry struct {
	id                     certID
	status                 Status
	reason                 int
	revokedAt              time.Time
	thisUpdate, nextUpdate time.Time
	// critical reports an unknown critical extension.
	critical bool
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
			return entry{}, false
		}
	}
	if !single.ReadOptionalASN1(&wrapped, &present, explicit1) || !single.Empty() {
		return entry{}, false
	}
	if present {
		if e.critical, ok = parseExtensions(wrapped); !ok {
			return entry{}, false
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
		var present, ok bool
		if e.revokedAt, ok = readTime(&content); !ok || !content.ReadOptionalASN1(&wrapped, &present, explicit0) || !content.Empty() {
			return false
		}
		// A reason that RFC 5280 does not know is no less a revocation.
		return !present || wrapped.ReadASN1Enum(&e.reason) && wrapped.Empty() && e.reason >= 0
	}
	return false
}

// readTime reads a GeneralizedTime in the one form of RFC 5280, section
// 4.1.2.5.2: YYYYMMDDHHMMSSZ, no fraction of a second.
func readTime(input *cryptobyte.String) (time.Time, bool) {
	const form = "20060102150405Z"
	var text cryptobyte.String
	if !input.ReadASN1(&text, asn1.GeneralizedTime) || len(text) != len(form) {
		return time.Time{}, false
	}
	t, err := time.Parse(form, string(text))
	return t, err == nil
}

// until is the last instant at which the entry may be used.
func (e *entry) until() time.Time {
	if e.nextUpdate.IsZero() {
		return e.thisUpdate.Add(MaxAge)
	}
	return e.nextUpdate
}

// answer is the entry as signed by the issuer, or by delegate.
func (e *entry) answer(delegate *x509.Certificate) Answer {
	a := Answer{
		Status: e.status, Reason: e.reason, RevokedAt: e.revokedAt,
		ThisUpdate: e.thisUpdate, NextUpdate: e.nextUpdate, Until: e.until(),
	}
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

package ocsp

import (
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

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
		var extension, oid cryptobyte.String
		var isCritical bool
		if !extensions.ReadASN1(&extension, asn1.SEQUENCE) || !extension.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) || len(oid) == 0 {
			return false, false
		}
		// DER has FALSE, the default, left out; some write it and are understood.
		if extension.PeekASN1Tag(asn1.BOOLEAN) && !extension.ReadASN1Boolean(&isCritical) {
			return false, false
		}
		if !extension.SkipASN1(asn1.OCTET_STRING) || !extension.Empty() || seen[string(oid)] || len(seen) == maxExtensions {
			return false, false
		}
		seen[string(oid)] = true
		critical = critical || isCritical && string(oid) != oidNonce
	}
	return critical, true
}

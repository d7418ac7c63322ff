// Package der reads what CRLs and OCSP responses have in common: instants (RFC
// 5280, sections 4.1.2.5 and 5.1.2.4) and extensions (section 4.2).
package der

import (
	encoding_asn1 "encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Extension is one Extension. OID is the content of its object identifier.
type Extension struct {
	OID      []byte
	Critical bool
	Value    cryptobyte.String
}

// ReadExtension reads an Extension. A critical that is FALSE and written out,
// which DER leaves out, is read as well: it is harmless, and crypto/x509 reads it.
func ReadExtension(s *cryptobyte.String) (Extension, bool) {
	var e Extension
	var content, oid cryptobyte.String
	if !s.ReadASN1(&content, asn1.SEQUENCE) {
		return Extension{}, false
	}
	whole := content
	if !content.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) ||
		content.PeekASN1Tag(asn1.BOOLEAN) && !content.ReadASN1Boolean(&e.Critical) ||
		!content.ReadASN1(&e.Value, asn1.OCTET_STRING) || !content.Empty() {
		return Extension{}, false
	}
	// Most are of id-ce, with three bytes; of others the form is checked too.
	if len(oid) != 3 || oid[0] != 0x55 || oid[1] >= 0x80 || oid[2] >= 0x80 {
		var id encoding_asn1.ObjectIdentifier
		if !whole.ReadASN1ObjectIdentifier(&id) {
			return Extension{}, false
		}
	}
	e.OID = oid
	return e, true
}

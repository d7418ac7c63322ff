package certificate

import (
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// parseExtension reads what validation asks of every certificate. It reports
// false where that cannot be read, whether it is critical or not: what may be
// done with the key is then not known. Key identifiers only choose among
// certificates: what of them can be read counts. Other extensions are read where they
// are asked for.
func (c *Certificate) parseExtension(e *Extension) bool {
	switch e.ID {
	case OIDBasicConstraints:
		return c.parseBasicConstraints(e.Value)
	case OIDKeyUsage:
		return c.parseKeyUsage(e.Value)
	case OIDExtKeyUsage:
		return c.parseExtKeyUsage(e.Value)
	case OIDSubjectKeyID:
		value := cryptobyte.String(e.Value)
		value.ReadASN1((*cryptobyte.String)(&c.SubjectKeyId), asn1.OCTET_STRING)
	case OIDAuthorityKeyID:
		c.parseAuthorityKeyID(e.Value)
	}
	return true
}

// parseBasicConstraints is section 4.2.1.9.
func (c *Certificate) parseBasicConstraints(der []byte) (ok bool) {
	fields, ok := only(der, asn1.SEQUENCE)
	if !ok {
		return false
	}
	if c.IsCA, ok = readBoolean(&fields, asn1.BOOLEAN); !ok {
		return false
	}
	if fields.Empty() {
		return true
	}
	length, ok := readInteger(&fields, asn1.INTEGER)
	if !ok || !fields.Empty() {
		return false
	}
	c.MaxPathLen, ok = count(length)
	return ok
}

// parseKeyUsage is section 4.2.1.3: a BIT STRING whose bits are counted from
// the first octet's highest. The first octet says how many of the last one do not
// count, whatever is written there.
func (c *Certificate) parseKeyUsage(der []byte) bool {
	bits, ok := only(der, asn1.BIT_STRING)
	if !ok || len(bits) == 0 || bits[0] > 7 || bits[0] > 0 && len(bits) == 1 {
		return false
	}
	c.HasKeyUsage = true
	for i := range min(9, 8*(len(bits)-1)-int(bits[0])) {
		if bits[1+i/8]&(0x80>>(i%8)) != 0 {
			c.KeyUsage |= 1 << i
		}
	}
	return true
}

// parseExtKeyUsage is section 4.2.1.12.
func (c *Certificate) parseExtKeyUsage(der []byte) bool {
	list, ok := only(der, asn1.SEQUENCE)
	c.HasExtKeyUsage, c.extKeyUsage = true, list
	for ok && !list.Empty() {
		var id cryptobyte.String
		ok = list.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) && validOID(id)
	}
	return ok
}

// Allows reports whether a purpose is among the extended key usages, by itself
// or by anyExtendedKeyUsage. Without the extension all are.
func (c *Certificate) Allows(purpose OID) bool {
	return !c.HasExtKeyUsage || c.HasPurpose(purpose) || c.HasPurpose(ExtKeyUsageAny)
}

// HasPurpose reports whether a purpose is itself among the extended key usages.
func (c *Certificate) HasPurpose(purpose OID) bool {
	var id cryptobyte.String
	for list := c.extKeyUsage; list.ReadASN1(&id, asn1.OBJECT_IDENTIFIER); {
		if string(id) == string(purpose) {
			return true
		}
	}
	return false
}

// parseAuthorityKeyID is section 4.2.1.1.
func (c *Certificate) parseAuthorityKeyID(der []byte) {
	value := cryptobyte.String(der)
	var fields, issuer, serial cryptobyte.String
	value.ReadASN1(&fields, asn1.SEQUENCE)
	fields.ReadOptionalASN1((*cryptobyte.String)(&c.AuthorityKeyId), nil, primitive(0))
	if fields.ReadASN1(&issuer, constructed(1)) && fields.ReadASN1(&serial, primitive(2)) {
		c.AuthorityIssuer, c.AuthoritySerial = issuer, serial
	}
}

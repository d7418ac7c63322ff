package certificate

import (
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Access methods of authority information access (section 4.2.2.1).
const (
	AccessOCSP      OID = idAD + "\x01"
	AccessCAIssuers OID = idAD + "\x02"
)

// AuthorityInfo returns the URIs of authority information access by their
// method, in their order. What is not a URI, or cannot be read, is left out.
func (c *Certificate) AuthorityInfo(method OID) (uris []string) {
	e := c.Extension(OIDAuthorityInfoAccess)
	if e == nil {
		return nil
	}
	list, _ := only(e.Value, asn1.SEQUENCE)
	for !list.Empty() {
		var fields cryptobyte.String
		if !list.ReadASN1(&fields, asn1.SEQUENCE) {
			return uris
		}
		id, ok := readOID(&fields)
		if !ok || id != method {
			continue
		}
		if name, ok := ReadGeneralName(&fields); ok && name.Kind == URI && !name.Undecodable && fields.Empty() {
			uris = append(uris, name.Value)
		}
	}
	return uris
}

// readableDistributionPoints reports whether all of a CRLDistributionPoints
// (section 4.2.1.13) can be read. What they say is for package crl.
func readableDistributionPoints(der []byte) bool {
	list, ok := only(der, asn1.SEQUENCE)
	ok = ok && !list.Empty()
	for ok && !list.Empty() {
		var fields, name, names, issuer, relative cryptobyte.String
		var hasName, hasIssuer bool
		ok = list.ReadASN1(&fields, asn1.SEQUENCE) && fields.ReadOptionalASN1(&name, &hasName, constructed(0)) &&
			fields.SkipOptionalASN1(primitive(1)) && fields.ReadOptionalASN1(&issuer, &hasIssuer, constructed(2)) && fields.Empty() &&
			(hasName || hasIssuer) && (!hasIssuer || decodable(issuer))
		if ok && hasName {
			isRelative := name.PeekASN1Tag(constructed(1))
			ok = (isRelative && name.ReadASN1(&relative, constructed(1)) || name.ReadASN1(&names, constructed(0)) && decodable(names)) && name.Empty()
		}
	}
	return ok
}

// decodable reports general names that can all be decoded.
func decodable(content []byte) bool {
	names, ok := ParseGeneralNames(content)
	return ok && len(names) > 0 && !slices.ContainsFunc(names, func(n GeneralName) bool { return n.Undecodable })
}

package certificate

import (
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
		if id, _ := readOID(&fields); id != method {
			continue
		}
		if name, _ := ReadGeneralName(&fields); name.Kind == URI && !name.Undecodable && fields.Empty() {
			uris = append(uris, name.Value)
		}
	}
	return uris
}

package certificate

import (
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// DistributionPoint is a DistributionPoint (RFC 5280, section 4.2.1.13).
type DistributionPoint struct {
	// FullName are the names of the CRL; nil where they are written relative to
	// the issuer's, or absent.
	FullName []GeneralName
	// RelativeName is the content of nameRelativeToCRLIssuer, nil where absent.
	RelativeName []byte
	// Reasons is the content of the BIT STRING, nil where absent: all reasons.
	Reasons []byte
	// CRLIssuer is nil where the CRL is the certificate issuer's own.
	CRLIssuer []GeneralName
}

// CRLDistributionPoints returns the distribution points of CRLs and whether
// the extension could be read; without it there are none.
func (c *Certificate) CRLDistributionPoints() ([]DistributionPoint, bool) {
	e := c.Extension(OIDCRLDistributionPoints)
	if e == nil {
		return nil, true
	}
	return parseDistributionPoints(e.Value)
}

func parseDistributionPoints(der []byte) (points []DistributionPoint, ok bool) {
	list, ok := only(der, asn1.SEQUENCE)
	for ok && !list.Empty() {
		var fields cryptobyte.String
		if !list.ReadASN1(&fields, asn1.SEQUENCE) {
			return nil, false
		}
		point, whole := readDistributionPoint(fields)
		if !whole {
			return nil, false
		}
		points = append(points, point)
	}
	return points, ok && len(points) > 0
}

func readDistributionPoint(fields cryptobyte.String) (p DistributionPoint, ok bool) {
	var name, full, issuer, reasons cryptobyte.String
	var hasName, hasFull, hasReasons, hasIssuer bool
	if !fields.ReadOptionalASN1(&name, &hasName, constructed(0)) || !fields.ReadOptionalASN1(&reasons, &hasReasons, primitive(1)) ||
		!fields.ReadOptionalASN1(&issuer, &hasIssuer, constructed(2)) || !fields.Empty() {
		return p, false
	}
	if hasName {
		if !name.ReadOptionalASN1(&full, &hasFull, constructed(0)) {
			return p, false
		}
		if hasFull {
			p.FullName, ok = ParseGeneralNames(full)
		} else {
			ok = name.ReadASN1((*cryptobyte.String)(&p.RelativeName), constructed(1))
		}
		if !ok || !name.Empty() {
			return p, false
		}
	}
	if hasReasons {
		p.Reasons = reasons
	}
	if hasIssuer {
		p.CRLIssuer, ok = ParseGeneralNames(issuer)
		return p, ok
	}
	return p, true
}

// Access methods of authority information access (section 4.2.2.1).
const (
	AccessOCSP      OID = idAD + "\x01"
	AccessCAIssuers OID = idAD + "\x02"
)

// AuthorityInfo returns the URIs of authority information access by their
// method, in their order. What is no URI, or cannot be read, is left out.
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

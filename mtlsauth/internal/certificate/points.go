package certificate

import (
	"encoding/asn1"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// DistributionPoint is one of CRLDistributionPoints (section 4.2.1.13). Names are left in
// DER: those of CRLs are compared with them so.
type DistributionPoint struct {
	Name      DistributionPointName
	Reasons   *asn1.BitString // nil where absent, which means all
	CRLIssuer []byte          // the content of its GeneralNames; nil where absent
}

// DistributionPointName is a DistributionPointName: one of both, or neither where it is
// absent.
type DistributionPointName struct {
	Full     []byte // the content of its GeneralNames
	Relative []byte // the content of the SET of the RelativeDistinguishedName
}

// ParseDistributionPoints reads the value of CRLDistributionPoints, at least one, and
// reports false where any part of them cannot be read.
func ParseDistributionPoints(der []byte) (points []DistributionPoint, ok bool) {
	list, ok := only(der, cryptobyte_asn1.SEQUENCE)
	for ok && !list.Empty() {
		var fields, name, reasons, issuer cryptobyte.String
		var hasName, hasReasons, hasIssuer bool
		ok = list.ReadASN1(&fields, cryptobyte_asn1.SEQUENCE) && fields.ReadOptionalASN1(&name, &hasName, constructed(0)) &&
			fields.ReadOptionalASN1(&reasons, &hasReasons, primitive(1)) && fields.ReadOptionalASN1(&issuer, &hasIssuer, constructed(2)) &&
			fields.Empty() && (hasName || hasIssuer) && (!hasIssuer || !issuer.Empty())
		point := DistributionPoint{CRLIssuer: issuer}
		if ok && hasName {
			point.Name, ok = ParseDistributionPointName(name)
		}
		if ok && hasReasons {
			var flags asn1.BitString
			flags, ok = ParseReasonFlags(reasons)
			point.Reasons = &flags
		}
		points = append(points, point)
	}
	return points, ok && len(points) > 0
}

// ParseDistributionPointName reads what is below the explicit tag of the CHOICE.
func ParseDistributionPointName(content []byte) (name DistributionPointName, ok bool) {
	s := cryptobyte.String(content)
	var names cryptobyte.String
	if s.PeekASN1Tag(constructed(0)) {
		ok = s.ReadASN1(&names, constructed(0)) && s.Empty() && !names.Empty()
		return DistributionPointName{Full: names}, ok
	}
	var relative cryptobyte.String
	ok = s.ReadASN1(&relative, constructed(1)) && s.Empty() && !relative.Empty()
	for attributes := relative; ok && !attributes.Empty(); {
		var pair, value cryptobyte.String
		var tag cryptobyte_asn1.Tag
		ok = attributes.ReadASN1(&pair, cryptobyte_asn1.SEQUENCE)
		if ok {
			_, ok = readOID(&pair)
		}
		ok = ok && pair.ReadAnyASN1(&value, &tag) && pair.Empty()
	}
	return DistributionPointName{Relative: relative}, ok
}

// ParseReasonFlags reads the content of a BIT STRING of reasons. As in OpenSSL the unused
// bits may have any value, and there may be more than have a meaning.
func ParseReasonFlags(content []byte) (flags asn1.BitString, ok bool) {
	if len(content) == 0 || content[0] > 7 || len(content) == 1 && content[0] != 0 {
		return flags, false
	}
	return asn1.BitString{Bytes: content[1:], BitLength: 8*(len(content)-1) - int(content[0])}, true
}

// readableDistributionPoints reports whether all of CRLDistributionPoints can be read, their
// names too.
func readableDistributionPoints(der []byte) bool {
	points, ok := ParseDistributionPoints(der)
	return ok && !slices.ContainsFunc(points, func(p DistributionPoint) bool {
		return p.Name.Full != nil && !decodable(p.Name.Full) || p.CRLIssuer != nil && !decodable(p.CRLIssuer)
	})
}

// decodable reports general names that can all be decoded.
func decodable(content []byte) bool {
	names, ok := ParseGeneralNames(content)
	return ok && len(names) > 0 && !slices.ContainsFunc(names, func(n GeneralName) bool { return n.Undecodable })
}

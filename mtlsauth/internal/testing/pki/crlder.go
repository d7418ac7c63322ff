package pki

import (
	"crypto/x509/pkix"
	stdasn1 "encoding/asn1"
	"encoding/binary"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// IDP is an issuing distribution point (RFC 5280, section 5.2.5).
type IDP struct {
	URIs []string
	// Names are further names of the point, GeneralNames in DER.
	Names [][]byte
	// Relative is a relative name, the content of its SET, instead of those.
	Relative []byte

	OnlyUserCerts, OnlyCACerts, OnlyAttributeCerts, Indirect bool

	// Reasons is onlySomeReasons by the numbers of ReasonFlags; nil for none.
	Reasons []int

	NotCritical bool
}

func (p *IDP) der() []byte {
	content := pointName(p.URIs, p.Names, p.Relative)
	flag := func(n uint8, set bool) {
		if set {
			content = append(content, element(implicit(n), []byte{0xff})...)
		}
	}
	flag(1, p.OnlyUserCerts)
	flag(2, p.OnlyCACerts)
	if p.Reasons != nil {
		content = append(content, element(implicit(3), reasonFlags(p.Reasons))...)
	}
	flag(4, p.Indirect)
	flag(5, p.OnlyAttributeCerts)
	return element(asn1.SEQUENCE, content)
}

// DistributionPoint is one of a certificate's (RFC 5280, section 4.2.1.13).
type DistributionPoint struct {
	URIs     []string
	Names    [][]byte // as in IDP
	Relative []byte   // as in IDP
	Reasons  []int    // as in IDP
	// CRLIssuer are who issues the list, where it is not the certificate's
	// issuer.
	CRLIssuer []*Certificate
}

// DistributionPoints adds the extension with these points.
func DistributionPoints(points ...DistributionPoint) Option {
	return Extension(DistributionPointsExtension(points...))
}

// DistributionPointsExtension returns the extension itself: crypto/x509 does
// not parse a certificate with a relative name in it.
func DistributionPointsExtension(points ...DistributionPoint) pkix.Extension {
	var content []byte
	for _, p := range points {
		point := pointName(p.URIs, p.Names, p.Relative)
		if p.Reasons != nil {
			point = append(point, element(implicit(1), reasonFlags(p.Reasons))...)
		}
		var issuers []byte
		for _, issuer := range p.CRLIssuer {
			issuers = append(issuers, DirectoryName(issuer.RawSubject)...)
		}
		if issuers != nil {
			point = append(point, element(explicit(2), issuers)...)
		}
		content = append(content, element(asn1.SEQUENCE, point)...)
	}
	return idCE(31, false, element(asn1.SEQUENCE, content))
}

// DirectoryName returns the GeneralName of a Name in DER.
func DirectoryName(rawName []byte) []byte { return element(explicit(4), rawName) }

func pointName(uris []string, names [][]byte, relative []byte) []byte {
	if relative != nil {
		return element(explicit(0), element(explicit(1), relative))
	}
	var all []byte
	for _, uri := range uris {
		all = append(all, element(implicit(6), []byte(uri))...)
	}
	for _, name := range names {
		all = append(all, name...)
	}
	if all == nil {
		return nil
	}
	return element(explicit(0), element(explicit(0), all))
}

// reasonFlags returns the content of a named BIT STRING, without zero bits at
// its end (X.690, section 11.2.2).
func reasonFlags(reasons []int) []byte {
	highest := -1
	var bits [2]byte
	for _, r := range reasons {
		bits[r/8] |= 0x80 >> (r % 8)
		highest = max(highest, r)
	}
	return append([]byte{byte(7 - (highest+8)%8)}, bits[:(highest+8)/8]...)
}

// idCE returns an extension of RFC 5280.
func idCE(arc int, critical bool, value []byte) pkix.Extension {
	return pkix.Extension{Id: stdasn1.ObjectIdentifier{2, 5, 29, arc}, Critical: critical, Value: value}
}

func extensionDER(e pkix.Extension) []byte {
	der, err := stdasn1.Marshal(e)
	check(err)
	return der
}

func implicit(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific() }

func integer(n int64) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1Int64(n)
	return b.BytesOrPanic()
}

// element returns an element of one tag and these contents.
func element(tag asn1.Tag, contents ...[]byte) []byte {
	length := 0
	for _, c := range contents {
		length += len(c)
	}
	out := make([]byte, 0, length+6)
	out = append(out, byte(tag))
	switch {
	case length < 0x80:
		out = append(out, byte(length))
	default:
		var size [4]byte
		binary.BigEndian.PutUint32(size[:], uint32(length))
		octets := size[:]
		for octets[0] == 0 {
			octets = octets[1:]
		}
		out = append(append(out, 0x80|byte(len(octets))), octets...)
	}
	for _, c := range contents {
		out = append(out, c...)
	}
	return out
}

package certificate

import (
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Attribute types that are asked for.
const (
	TypeCommonName   OID = "\x55\x04\x03"
	TypeEmailAddress OID = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"
)

// shortNames is the table of RFC 4514, section 3, whole. Attributes outside it
// are written as dotted numbers with the value in hex (section 2.4): names such
// as emailAddress are a habit of some programs, not part of the string format.
var shortNames = map[OID]string{
	TypeCommonName:   "CN",
	"\x55\x04\x07":   "L",
	"\x55\x04\x08":   "ST",
	"\x55\x04\x0a":   "O",
	"\x55\x04\x0b":   "OU",
	"\x55\x04\x06":   "C",
	"\x55\x04\x09":   "STREET",
	idPilot + "\x19": "DC",
	idPilot + "\x01": "UID",
}

const idPilot = "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01" // 0.9.2342.19200300.100.1

// Attribute is one attribute of a distinguished name.
type Attribute struct {
	Type OID
	// Value is the value's text; empty where Text is false.
	Value string
	// Text reports whether the value is a string whose bytes fit its type. An
	// attribute that is not text still counts as one of its type.
	Text bool
	// RDN is the index of the relative distinguished name that the attribute
	// is part of, in the order of the encoding.
	RDN int
	// Tag is the ASN.1 tag of the value and DER its whole encoding.
	Tag asn1.Tag
	DER []byte
}

// StringType names the ASN.1 type of the value, for the log.
func (a Attribute) StringType() string {
	if name, ok := typeNames[a.Tag]; ok {
		return name
	}
	return fmt.Sprintf("ASN.1 tag %d", uint8(a.Tag))
}

// ParseName reads a DER RDNSequence, as RawSubject and RawIssuer hold it, in the
// order of the encoding. It reports false, with no attributes, where the
// structure is broken; those of a certificate are not. An empty sequence has
// none. RDNs without an attribute are passed over, as everywhere.
func ParseName(raw []byte) ([]Attribute, bool) {
	var attributes []Attribute
	ok := eachAttribute(raw, func(rdn int, id, element []byte, tag asn1.Tag, value []byte) {
		a := Attribute{RDN: rdn, Tag: tag, DER: element}
		var known bool
		if a.Type, known = common[string(id)]; !known {
			a.Type = OID(id)
		}
		if text, ok := decodeString(tag, value); ok {
			a.Value, a.Text = text, true
		}
		attributes = append(attributes, a)
	})
	if !ok {
		return nil, false
	}
	return attributes, true
}

// IsName reports a DER Name: an RDNSequence whose structure is right.
func IsName(der []byte) bool { return eachAttribute(der, nil) }

// readName reads a Name off s and checks its structure. It returns the element.
func readName(s *cryptobyte.String) (raw []byte, ok bool) {
	ok = s.ReadASN1Element((*cryptobyte.String)(&raw), asn1.SEQUENCE) && IsName(raw)
	return raw, ok
}

// eachAttribute calls f, if there is one, for each attribute of an RDNSequence:
// with the number of its RDN, its type, the value's element, and the value's
// tag and content. It reports whether the structure is right; only then do the
// calls count.
func eachAttribute(raw []byte, f func(rdn int, id, element []byte, tag asn1.Tag, value []byte)) bool {
	rdns, ok := only(raw, asn1.SEQUENCE)
	if !ok {
		return false
	}
	for index := 0; !rdns.Empty(); {
		var rdn cryptobyte.String
		if !rdns.ReadASN1(&rdn, asn1.SET) {
			return false
		}
		if rdn.Empty() {
			continue
		}
		for !rdn.Empty() {
			var pair, id, element, value cryptobyte.String
			var tag asn1.Tag
			if !rdn.ReadASN1(&pair, asn1.SEQUENCE) || !pair.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) || !validOID(id) {
				return false
			}
			element = pair
			if !pair.ReadAnyASN1(&value, &tag) || !pair.Empty() {
				return false
			}
			if f != nil {
				f(index, id, element, tag, value)
			}
		}
		index++
	}
	return true
}

// DistinguishedName returns the RFC 4514 string of a DER RDNSequence: the last
// RDN first, the attributes of a multi-valued one joined by "+" in the order of
// the encoding. An empty name gives "". Values that are not text, and those of
// attributes outside the table of RFC 4514, section 3, are written as "#" and
// the hex of their DER. Control characters (C0, DEL, C1), and a space at either
// end of a value, are written in hex with a backslash before each byte, as
// section 2.4 allows for any character: the string may travel as a header.
//
// A name whose structure is broken gives "".
func DistinguishedName(raw []byte) string {
	attributes, _ := ParseName(raw)
	return String(attributes)
}

// String returns the RFC 4514 string of attributes that ParseName returned.
func String(attributes []Attribute) string {
	var out strings.Builder
	for end := len(attributes); end > 0; {
		start := end - 1
		for start > 0 && attributes[start-1].RDN == attributes[end-1].RDN {
			start--
		}
		if end < len(attributes) {
			out.WriteByte(',')
		}
		for i, a := range attributes[start:end] {
			if i > 0 {
				out.WriteByte('+')
			}
			a.write(&out)
		}
		end = start
	}
	return out.String()
}

func (a Attribute) write(out *strings.Builder) {
	short, known := shortNames[a.Type]
	if !known {
		short = a.Type.String()
	}
	out.WriteString(short)
	out.WriteByte('=')
	if known && a.Text {
		writeEscaped(out, a.Value)
		return
	}
	writeHexString(out, a.DER)
}

// Package certname reads the names in a certificate: distinguished names (RFC
// 5280, section 4.1.2.4) and their strings (RFC 4514), and general names (RFC
// 5280, section 4.2.1.6) in the order of the encoding, which crypto/x509 does
// not keep.
//
// It judges nothing. Every string that it makes for a header or a log is free
// of control characters and of spaces at its ends, which HTTP would trim, and
// different values never share one. What the string does not tell is the ASN.1
// string type of a value and the kind of a general name.
package certname

import (
	"crypto/x509"
	"errors"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Object identifiers of attributes that callers ask for by type.
const (
	TypeCommonName   = "2.5.4.3"
	TypeEmailAddress = "1.2.840.113549.1.9.1"
)

// shortNames is the table of RFC 4514, section 3, whole. Attributes outside it
// are written as dotted numbers with the value in hex (section 2.4): names such
// as emailAddress are a habit of some programs, not part of the string format.
var shortNames = map[string]string{
	"2.5.4.3":                    "CN",
	"2.5.4.7":                    "L",
	"2.5.4.8":                    "ST",
	"2.5.4.10":                   "O",
	"2.5.4.11":                   "OU",
	"2.5.4.6":                    "C",
	"2.5.4.9":                    "STREET",
	"0.9.2342.19200300.100.1.25": "DC",
	"0.9.2342.19200300.100.1.1":  "UID",
}

var errMalformedName = errors.New("malformed distinguished name")

// Attribute is one attribute of a distinguished name.
type Attribute struct {
	// Type is the attribute's object identifier in dotted form.
	Type string
	// Value is the value's text; empty where Text is false.
	Value string
	// Text reports whether the value is a string whose bytes fit its type. An
	// attribute that is no text still counts as one of its type.
	Text bool
	// RDN is the index of the relative distinguished name that the attribute
	// is part of, in the order of the encoding.
	RDN int
	// Tag is the ASN.1 tag of the value and DER its whole encoding.
	Tag asn1.Tag
	DER []byte
}

// ParseName reads a DER RDNSequence, as RawSubject and RawIssuer of
// crypto/x509 hold it, in the order of the encoding. On error it returns no
// attributes. An empty sequence has none and is no error.
func ParseName(raw []byte) ([]Attribute, error) {
	input := cryptobyte.String(raw)
	var rdns cryptobyte.String
	if !input.ReadASN1(&rdns, asn1.SEQUENCE) || !input.Empty() {
		return nil, errMalformedName
	}
	var attributes []Attribute
	for index := 0; !rdns.Empty(); index++ {
		var rdn cryptobyte.String
		// RFC 5280, section 4.1.2.4: SET SIZE (1..MAX).
		if !rdns.ReadASN1(&rdn, asn1.SET) || rdn.Empty() {
			return nil, errMalformedName
		}
		for !rdn.Empty() {
			attribute, ok := readAttribute(&rdn)
			if !ok {
				return nil, errMalformedName
			}
			attribute.RDN = index
			attributes = append(attributes, attribute)
		}
	}
	return attributes, nil
}

func readAttribute(rdn *cryptobyte.String) (Attribute, bool) {
	var pair, oid, element cryptobyte.String
	var a Attribute
	if !rdn.ReadASN1(&pair, asn1.SEQUENCE) ||
		!pair.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) ||
		!pair.ReadAnyASN1Element(&element, &a.Tag) ||
		!pair.Empty() {
		return Attribute{}, false
	}
	var ok bool
	if a.Type, ok = typeOf(oid); !ok {
		return Attribute{}, false
	}
	a.DER = element
	var value cryptobyte.String
	if !element.ReadAnyASN1(&value, nil) {
		return Attribute{}, false
	}
	if text, ok := decodeString(a.Tag, value); ok {
		a.Value, a.Text = text, true
	}
	return a, true
}

// shortOIDs are the types of shortNames by their encoding: a name is read three
// times for a request, and mostly has no others.
var shortOIDs = func() map[string]string {
	out := make(map[string]string, len(shortNames))
	for dotted := range shortNames {
		oid, err := x509.ParseOID(dotted)
		if err != nil {
			panic(err) // the table above is wrong
		}
		der, err := oid.MarshalBinary()
		if err != nil {
			panic(err)
		}
		out[string(der)] = dotted
	}
	return out
}()

// typeOf returns the dotted form of an OID's content.
func typeOf(content []byte) (string, bool) {
	if dotted, ok := shortOIDs[string(content)]; ok {
		return dotted, true
	}
	id, ok := parseOID(content)
	return id.String(), ok
}

// maxOID bounds the encoding of an OID. Those in use have some 30 bytes, and
// writing an arc as a decimal number takes time by the square of its size.
const maxOID = 64

// parseOID takes arcs of over 31 bits, where asn1.ObjectIdentifier stops.
func parseOID(content []byte) (x509.OID, bool) {
	var oid x509.OID
	if len(content) > maxOID || oid.UnmarshalBinary(content) != nil {
		return x509.OID{}, false
	}
	return oid, true
}

// DistinguishedName returns the RFC 4514 string of a DER RDNSequence: the last
// RDN first, the attributes of a multi-valued one joined by "+" in the order of
// the encoding. An empty name gives "". Values that are no text, and those of
// attributes outside the table of RFC 4514, section 3, are written as "#" and
// the hex of their DER. Control characters (C0, DEL, C1), and a space at either
// end of a value, are written in hex with a backslash before each byte, as
// section 2.4 allows for any character: the string may travel as a header.
func DistinguishedName(raw []byte) (string, error) {
	attributes, err := ParseName(raw)
	if err != nil {
		return "", err
	}
	return String(attributes), nil
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
		short = a.Type
	}
	out.WriteString(short)
	out.WriteByte('=')
	if known && a.Text {
		writeEscaped(out, a.Value)
		return
	}
	writeHexString(out, a.DER)
}

package certname

import (
	"net/netip"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Kind is the form of a general name.
type Kind uint8

// The forms of RFC 5280, section 4.2.1.6. UPN is the otherName that Microsoft
// calls user principal name. Unknown is what has a tag that is none of them.
const (
	Unknown Kind = iota
	OtherName
	Email
	DNS
	X400Address
	DirectoryName
	EDIPartyName
	URI
	IP
	RegisteredID
	UPN
)

// oidUPN is the encoding of Microsoft's id-ms-san-upn, 1.3.6.1.4.1.311.20.2.3.
const oidUPN = "\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x03"

// Name is one general name.
type Name struct {
	Kind Kind
	// Value is the name as text: the string of DNS, email, URI and UPN, the
	// address of IP, the RFC 4514 string of directoryName. Other forms have
	// none.
	Value string
	// Raw holds the DER RDNSequence of a directoryName and the octets of an
	// iPAddress, whatever their number.
	Raw []byte
	// Undecodable marks a value that does not fit its form: text beyond ASCII
	// where IA5String is asked for, an address of another length than 4 or 16,
	// a broken directoryName or otherName, an OID of over 64 bytes in one. It
	// is no name to match with.
	Undecodable bool
}

// ReadGeneralName reads one GeneralName off s. It reports false only where the
// DER structure is broken; a value that does not fit its form is returned,
// marked as Undecodable.
func ReadGeneralName(s *cryptobyte.String) (Name, bool) {
	var content cryptobyte.String
	var tag asn1.Tag
	if !s.ReadAnyASN1(&content, &tag) {
		return Name{}, false
	}
	primitive := func(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific() }
	switch tag {
	case primitive(0).Constructed():
		return otherName(content), true
	case primitive(1):
		return ia5Name(Email, content), true
	case primitive(2):
		return ia5Name(DNS, content), true
	case primitive(3).Constructed():
		return Name{Kind: X400Address}, true
	case primitive(4).Constructed():
		return directoryName(content), true
	case primitive(5).Constructed():
		return Name{Kind: EDIPartyName}, true
	case primitive(6):
		return ia5Name(URI, content), true
	case primitive(7):
		return ipAddress(content), true
	case primitive(8):
		_, ok := parseOID(content)
		return Name{Kind: RegisteredID, Undecodable: !ok}, true
	}
	return Name{Kind: Unknown, Undecodable: true}, true
}

func ia5Name(kind Kind, content []byte) Name {
	return Name{Kind: kind, Value: string(content), Undecodable: !isASCII(content)}
}

func ipAddress(content []byte) Name {
	// netip keeps ::ffff:192.0.2.1 apart from 192.0.2.1, as the encoding does.
	address, ok := netip.AddrFromSlice(content)
	if !ok {
		return Name{Kind: IP, Raw: content, Undecodable: true}
	}
	return Name{Kind: IP, Value: address.String(), Raw: content}
}

// directoryName reads the Name below its tag, which is explicit because Name
// is a CHOICE.
func directoryName(content []byte) Name {
	dn, err := DistinguishedName(content)
	if err != nil {
		return Name{Kind: DirectoryName, Undecodable: true}
	}
	return Name{Kind: DirectoryName, Value: dn, Raw: content}
}

func otherName(content cryptobyte.String) Name {
	undecodable := Name{Kind: OtherName, Undecodable: true}
	var oid, value cryptobyte.String
	if !content.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) ||
		!content.ReadASN1(&value, asn1.Tag(0).ContextSpecific().Constructed()) ||
		!content.Empty() {
		return undecodable
	}
	if string(oid) != oidUPN {
		_, ok := parseOID(oid)
		return Name{Kind: OtherName, Undecodable: !ok}
	}
	var text cryptobyte.String
	if !value.ReadASN1(&text, asn1.UTF8String) || !value.Empty() {
		return undecodable
	}
	return Name{Kind: UPN, Value: string(text), Undecodable: !utf8.Valid(text)}
}

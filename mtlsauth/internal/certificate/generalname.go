package certificate

import (
	"net/netip"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Kind is the form of a general name.
type Kind uint8

// The forms of RFC 5280, section 4.2.1.6. UPN is the otherName that Microsoft
// calls user principal name. Unknown is what has another tag.
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

// GeneralName is one general name.
type GeneralName struct {
	Kind Kind
	// Value is the name as text: the string of DNS, email, URI and UPN, the
	// address of IP, the RFC 4514 string of directoryName. Other forms have
	// none.
	Value string
	// Raw is the DER RDNSequence of a directoryName and the octets of an
	// iPAddress, whatever their number.
	Raw []byte
	// Undecodable says that the value does not fit its form: text beyond ASCII
	// where IA5String is asked for, an address of another length than 4 or 16,
	// a broken directoryName or otherName. It is not a name to match with, and it
	// refuses where its kind is constrained.
	Undecodable bool
}

// ReadGeneralName reads one GeneralName off s. It reports false only where the
// next element has no end; a value that does not fit its form is returned as
// Undecodable.
func ReadGeneralName(s *cryptobyte.String) (GeneralName, bool) {
	var content cryptobyte.String
	var tag asn1.Tag
	if !s.ReadAnyASN1(&content, &tag) {
		return GeneralName{}, false
	}
	switch tag {
	case constructed(0):
		return otherName(content), true
	case primitive(1):
		return ia5Name(Email, content), true
	case primitive(2):
		return ia5Name(DNS, content), true
	case constructed(3):
		return GeneralName{Kind: X400Address}, true
	case constructed(4):
		return directoryName(content), true
	case constructed(5):
		return GeneralName{Kind: EDIPartyName}, true
	case primitive(6):
		return ia5Name(URI, content), true
	case primitive(7):
		return ipAddress(content), true
	case primitive(8):
		return GeneralName{Kind: RegisteredID, Undecodable: !validOID(content)}, true
	}
	// The kind is known where only the form is wrong: a string in pieces, say.
	if n := tag &^ constructed(0); tag&primitive(0) != 0 && int(n) < len(kinds) {
		return GeneralName{Kind: kinds[n], Undecodable: true}, true
	}
	return GeneralName{Kind: Unknown, Undecodable: true}, true
}

// kinds are the forms by their tags.
var kinds = [...]Kind{OtherName, Email, DNS, X400Address, DirectoryName, EDIPartyName, URI, IP, RegisteredID}

func ia5Name(kind Kind, content []byte) GeneralName {
	return GeneralName{Kind: kind, Value: string(content), Undecodable: !isASCII(content)}
}

func ipAddress(content []byte) GeneralName {
	// netip keeps ::ffff:192.0.2.1 apart from 192.0.2.1, as the encoding does.
	address, ok := netip.AddrFromSlice(content)
	if !ok {
		return GeneralName{Kind: IP, Raw: content, Undecodable: true}
	}
	return GeneralName{Kind: IP, Value: address.String(), Raw: content}
}

// directoryName reads the Name below its tag, which is explicit because Name
// is a CHOICE.
func directoryName(content []byte) GeneralName {
	attributes, ok := ParseName(content)
	return GeneralName{Kind: DirectoryName, Value: String(attributes), Raw: content, Undecodable: !ok}
}

// otherName reads a UPN of any string type; Microsoft writes UTF8String.
func otherName(content cryptobyte.String) GeneralName {
	undecodable := GeneralName{Kind: OtherName, Undecodable: true}
	var id, value, text cryptobyte.String
	if !content.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) || !validOID(id) || !content.ReadASN1(&value, constructed(0)) || !content.Empty() {
		return undecodable
	}
	if string(id) != oidUPN {
		return GeneralName{Kind: OtherName}
	}
	var tag asn1.Tag
	if !value.ReadAnyASN1(&text, &tag) || !value.Empty() {
		return undecodable
	}
	upn, ok := decodeString(tag, text)
	if !ok {
		return GeneralName{Kind: UPN, Undecodable: true}
	}
	return GeneralName{Kind: UPN, Value: upn}
}

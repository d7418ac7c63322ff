package certname

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// OIDSubjectAltName is id-ce-subjectAltName.
var OIDSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

var errMalformedSAN = errors.New("malformed subject alternative name")

// SubjectAltNames returns the values of the certificate's subject alternative
// name extension in its order, and whether there is such an extension: one
// without values is still one. A value that does not fit its form stays in the
// list, marked; an extension that is no list of general names is an error, with
// no names.
func SubjectAltNames(cert *x509.Certificate) (names []Name, present bool, err error) {
	for _, extension := range cert.Extensions {
		if !extension.Id.Equal(OIDSubjectAltName) {
			continue
		}
		// RFC 5280, section 4.2, allows one extension of a kind; crypto/x509
		// refuses a second when it parses.
		if present {
			return nil, true, errMalformedSAN
		}
		present = true
		if names, err = ParseGeneralNames(extension.Value); err != nil {
			return nil, true, errMalformedSAN
		}
	}
	return names, present, nil
}

// ParseGeneralNames reads a DER GeneralNames. It fails closed: on error it
// returns no names.
func ParseGeneralNames(der []byte) ([]Name, error) {
	input := cryptobyte.String(der)
	var list cryptobyte.String
	if !input.ReadASN1(&list, cryptobyte_asn1.SEQUENCE) || !input.Empty() {
		return nil, errors.New("malformed general names")
	}
	var names []Name
	for !list.Empty() {
		name, ok := ReadGeneralName(&list)
		if !ok {
			return nil, errors.New("malformed general name")
		}
		names = append(names, name)
	}
	return names, nil
}

// Join returns the values of the names in their order as one header value,
// joined by a comma and a space. Inside a value "," and "\" have a backslash
// before them; control characters, spaces at the ends of a value and bytes that
// are not UTF-8 are written as a backslash and two upper-case hex digits each.
// So lists with different values never give the same string, also where the
// header, and the parts it is split into at commas without a backslash, are
// trimmed. The kind of a name is not told.
//
// Forms without a textual value (otherName but UPN, x400Address, ediPartyName,
// registeredID), undecodable addresses and directory names, and empty values
// contribute nothing.
func Join(names []Name) string {
	var out strings.Builder
	for _, name := range names {
		if !name.joins() {
			continue
		}
		if out.Len() > 0 {
			out.WriteString(", ")
		}
		writeJoined(&out, name.Value)
	}
	return out.String()
}

func (n Name) joins() bool {
	switch n.Kind {
	case DNS, Email, URI, IP, DirectoryName, UPN:
		return n.Value != ""
	}
	return false
}

func writeJoined(out *strings.Builder, value string) {
	rest := strings.TrimLeft(value, " ")
	writeHex(out, value[:len(value)-len(rest)])
	value = strings.TrimRight(rest, " ")
	trailing := rest[len(value):]
	for len(value) > 0 {
		r, size := utf8.DecodeRuneInString(value)
		char := value[:size]
		value = value[size:]
		switch {
		case r == utf8.RuneError && size == 1, isControl(r):
			writeHex(out, char)
		case r == ',' || r == '\\':
			out.WriteByte('\\')
			out.WriteString(char)
		default:
			out.WriteString(char)
		}
	}
	writeHex(out, trailing)
}

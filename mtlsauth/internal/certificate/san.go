package certificate

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

var errMalformedSAN = errors.New("malformed subject alternative name")

// SubjectAltNames returns the values of the certificate's subject alternative
// name extension in its order, and whether there is such an extension: one
// without values is still one. A value that does not fit its form stays in the
// list as Undecodable; an extension that is not a list of general names is an
// error, with no names.
func (c *Certificate) SubjectAltNames() (names []GeneralName, present bool, err error) {
	e := c.Extension(OIDSubjectAltName)
	if e == nil {
		return nil, false, nil
	}
	list, ok := only(e.Value, asn1.SEQUENCE)
	if !ok {
		return nil, true, errMalformedSAN
	}
	if names, ok = ParseGeneralNames(list); !ok {
		return nil, true, errMalformedSAN
	}
	return names, true, nil
}

// ParseGeneralNames reads the content of a GeneralNames. It reports false, with
// no names, where that is not a list of them.
func ParseGeneralNames(content []byte) (names []GeneralName, ok bool) {
	for list := cryptobyte.String(content); !list.Empty(); {
		name, ok := ReadGeneralName(&list)
		if !ok {
			return nil, false
		}
		names = append(names, name)
	}
	return names, true
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
func Join(names []GeneralName) string {
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

func (n GeneralName) joins() bool {
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

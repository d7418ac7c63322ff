package certificate

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte/asn1"
)

// ASN.1 universal string types that a DirectoryString may use and
// cryptobyte does not name.
const (
	tagNumericString   = asn1.Tag(18)
	tagVisibleString   = asn1.Tag(26)
	tagUniversalString = asn1.Tag(28)
	tagBMPString       = asn1.Tag(30)
)

// typeNames are those of the string types, and of what stands for one.
var typeNames = map[asn1.Tag]string{
	asn1.UTF8String:      "UTF8String",
	asn1.PrintableString: "PrintableString",
	asn1.T61String:       "T61String",
	asn1.IA5String:       "IA5String",
	tagNumericString:     "NumericString",
	tagVisibleString:     "VisibleString",
	tagUniversalString:   "UniversalString",
	tagBMPString:         "BMPString",
	asn1.BIT_STRING:      "BIT STRING",
	asn1.OCTET_STRING:    "OCTET STRING",
}

// decodeString returns the text of an ASN.1 string. It reports false for
// types that are not strings, for bytes outside of what the type allows, and for
// T61String beyond ASCII, which no two programs decode alike.
func decodeString(tag asn1.Tag, value []byte) (string, bool) {
	switch tag {
	case asn1.UTF8String:
		return string(value), utf8.Valid(value)
	case asn1.PrintableString, asn1.IA5String, asn1.T61String, tagNumericString, tagVisibleString:
		return string(value), isASCII(value)
	case tagBMPString:
		return decodeBMP(value)
	case tagUniversalString:
		return decodeUniversal(value)
	}
	return "", false
}

func isASCII[T string | []byte](text T) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func decodeBMP(value []byte) (string, bool) {
	if len(value)%2 != 0 {
		return "", false
	}
	var text strings.Builder
	for ; len(value) > 0; value = value[2:] {
		r := rune(binary.BigEndian.Uint16(value))
		// BMPString has no surrogates: it is UCS-2, not UTF-16.
		if utf16.IsSurrogate(r) {
			return "", false
		}
		text.WriteRune(r)
	}
	return text.String(), true
}

func decodeUniversal(value []byte) (string, bool) {
	if len(value)%4 != 0 {
		return "", false
	}
	var text strings.Builder
	for ; len(value) > 0; value = value[4:] {
		u := binary.BigEndian.Uint32(value)
		if !utf8.ValidRune(rune(u)) {
			return "", false
		}
		text.WriteRune(rune(u))
	}
	return text.String(), true
}

// isControl reports C0, DEL and C1: what no header value may hold.
func isControl(r rune) bool {
	return r < 0x20 || r >= 0x7f && r <= 0x9f
}

// writeHex writes each byte of s as a backslash and two upper-case digits.
func writeHex(out *strings.Builder, s string) {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		out.WriteByte('\\')
		out.WriteByte(digits[s[i]>>4])
		out.WriteByte(digits[s[i]&15])
	}
}

// writeEscaped writes text as an RFC 4514, section 2.4, attribute value.
func writeEscaped(out *strings.Builder, text string) {
	for i, r := range text {
		size := utf8.RuneLen(r)
		switch {
		case isControl(r), r == ' ' && (i == 0 || i == len(text)-1):
			writeHex(out, text[i:i+size])
			continue
		case strings.ContainsRune(`"+,;<>\`, r), r == '#' && i == 0:
			out.WriteByte('\\')
		}
		out.WriteRune(r)
	}
}

// writeHexString writes der as an RFC 4514, section 2.4, hexstring.
func writeHexString(out *strings.Builder, der []byte) {
	out.WriteByte('#')
	out.WriteString(hex.EncodeToString(der))
}

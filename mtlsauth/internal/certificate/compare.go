package certificate

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte/asn1"
)

// RFC 5280, section 7.1, compares names without regard to the string type and to
// case, and with white space folded, by rules (RFC 4518) whose tables for text
// beyond ASCII are not at hand. So there are three comparisons: NameKey, for
// finding the issuer of a certificate, whose signature then tells; Permits,
// which sees equality only where the RFC certainly does, for permitted subtrees;
// and Excludes, which sees it wherever the RFC might, for excluded ones.

// Octets that no text has, so that different names never share a key.
const (
	notText = 0xfe
	end     = 0xff
)

// NameKey returns a string that two names (DER RDNSequences) share if they are
// equal by RFC 5280, section 7.1: their RDNs are, as sets, whatever the string
// type, case and inner white space of the values. T61String counts as Latin-1.
// Values that are no text are equal byte for byte.
func NameKey(raw []byte) string {
	key := make([]byte, 0, len(raw)+16)
	var parts []string // of the RDN, where there are several
	start, last := 0, -1
	closeRDN := func() {
		if len(parts) == 0 {
			return
		}
		parts = append(parts, string(key[start:]))
		slices.Sort(parts)
		key = key[:start]
		for _, part := range parts {
			key = append(key, part...)
		}
		parts = nil
	}
	eachAttribute(raw, func(rdn int, id, element []byte, tag asn1.Tag, value []byte) {
		if rdn == last {
			parts = append(parts, string(key[start:]))
			key = key[:start]
		} else {
			closeRDN()
			key = append(key, '/')
			start, last = len(key), rdn
		}
		key = appendLength(key, id)
		if text, ok := foldable(tag, value); ok {
			key = appendFolded(key, text)
		} else {
			key = appendLength(append(key, notText), element)
		}
		key = append(key, end)
	})
	closeRDN()
	return string(key)
}

func appendLength(key, s []byte) []byte {
	key = strconv.AppendInt(key, int64(len(s)), 10)
	return append(append(key, ':'), s...)
}

// foldable returns the text of a string type whose values compare as text.
func foldable(tag asn1.Tag, value []byte) ([]byte, bool) {
	switch tag {
	case asn1.PrintableString, asn1.IA5String, tagVisibleString, tagNumericString, asn1.UTF8String:
		return value, utf8.Valid(value)
	case asn1.T61String:
		if isASCII(value) {
			return value, true
		}
		text := make([]rune, len(value))
		for i, b := range value {
			text[i] = rune(b)
		}
		return []byte(string(text)), true
	}
	text, ok := decodeString(tag, value)
	return []byte(text), ok
}

// appendFolded appends text in lower case, without spaces at its ends and with
// one for each run of them.
func appendFolded(key, text []byte) []byte {
	start, space := len(key), false
	for i, b := range text {
		switch {
		case b >= utf8.RuneSelf:
			return append(key[:start], fold(foldSpace(string(text)))...)
		case b == ' ' || '\t' <= b && b <= '\r':
			space = i > 0 && len(key) > start
			continue
		case 'A' <= b && b <= 'Z':
			b += 'a' - 'A'
		}
		if space {
			key, space = append(key, ' '), false
		}
		key = append(key, b)
	}
	return key
}

// fold removes case both ways: some letters have several of the one or the
// other.
func fold(s string) string { return strings.ToLower(strings.ToUpper(s)) }

// foldSpace drops white space at both ends and makes every run of it one space.
func foldSpace(s string) string { return strings.Join(strings.Fields(s), " ") }

// DN is a distinguished name, prepared for comparison with others: its RDNs,
// each a set of attributes.
type DN struct{ rdns [][]comparedValue }

type comparedValue struct {
	kind   OID
	der    string // the value's encoding
	text   bool
	narrow string // of text: ASCII case and spaces folded
	wide   string // of text: all case and spaces folded
}

// ParseDN reads a DER RDNSequence. It reports false where the structure is
// broken. An empty one is fine.
func ParseDN(raw []byte) (DN, bool) {
	attributes, ok := ParseName(raw)
	return NewDN(attributes), ok
}

// NewDN prepares attributes that ParseName returned.
func NewDN(attributes []Attribute) DN {
	var out DN
	for _, a := range attributes {
		if a.RDN == len(out.rdns) {
			out.rdns = append(out.rdns, nil)
		}
		c := comparedValue{kind: a.Type, der: string(a.DER), text: a.Text}
		if a.Text {
			spaced := foldSpace(a.Value)
			c.narrow, c.wide = lowerASCII(spaced), fold(spaced)
		}
		out.rdns[a.RDN] = append(out.rdns[a.RDN], c)
	}
	return out
}

// Empty reports the name without attributes, below which all names lie.
func (d DN) Empty() bool { return len(d.rdns) == 0 }

// Permits reports whether name lies in the subtree below d: each RDN of d is,
// certainly, the same as name's at its place.
func (d DN) Permits(name DN) bool {
	if len(d.rdns) > len(name.rdns) {
		return false
	}
	for i, rdn := range d.rdns {
		// Both ways, or a value that d spells twice would make room for
		// another.
		if !covers(rdn, name.rdns[i], certainlyEqual) || !covers(name.rdns[i], rdn, certainlyEqual) {
			return false
		}
	}
	return true
}

// Excludes reports whether name might lie in the subtree below d. More
// attributes in an RDN than d has do not take a name out of it.
func (d DN) Excludes(name DN) bool {
	if len(d.rdns) > len(name.rdns) {
		return false
	}
	for i, rdn := range d.rdns {
		if !covers(rdn, name.rdns[i], possiblyEqual) {
			return false
		}
	}
	return true
}

// Comparisons bounds how many attributes are compared to tell whether name lies
// below d.
func (d DN) Comparisons(name DN) int {
	n := 0
	for i := range min(len(d.rdns), len(name.rdns)) {
		n += 2 * len(d.rdns[i]) * len(name.rdns[i])
	}
	return n
}

// PossiblySameName reports whether two DER RDNSequences might be the same name.
func PossiblySameName(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, okX := ParseDN(a)
	y, okY := ParseDN(b)
	return !okX || !okY || len(x.rdns) == len(y.rdns) && x.Excludes(y) && y.Excludes(x)
}

// covers reports whether each attribute of base has an equal one in name,
// whatever their order: an RDN is a set.
func covers(base, name []comparedValue, equal func(a, b comparedValue) bool) bool {
	for _, want := range base {
		if !slices.ContainsFunc(name, func(have comparedValue) bool { return equal(want, have) }) {
			return false
		}
	}
	return true
}

func certainlyEqual(a, b comparedValue) bool {
	return a.kind == b.kind && (a.der == b.der || a.text && b.text && a.narrow == b.narrow)
}

// possiblyEqual takes a value that is no text for equal to any of its type.
func possiblyEqual(a, b comparedValue) bool {
	return a.kind == b.kind && (!a.text || !b.text || a.wide == b.wide)
}

// lowerASCII leaves what is not ASCII as it is.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

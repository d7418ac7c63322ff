package certificate

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/crypto/cryptobyte/asn1"
)

// Match is what a comparison of two names found (RFC 5280, section 7.1).
type Match uint8

const (
	// Different: not equal.
	Different Match = iota
	// Possible: equal if a value that is not text is taken for equal to any
	// other. A caller decides this case so that it fails closed.
	Possible
	// Certain: equal, whatever the string types, case and white space.
	Certain
)

// Compare compares two names (DER RDNSequences). Of one that cannot be parsed
// nothing is certain but that it equals itself.
func Compare(a, b []byte) Match {
	if bytes.Equal(a, b) {
		return Certain
	}
	return newComparedName(a).compare(newComparedName(b))
}

// comparedName is a name that was parsed for comparison with many others.
type comparedName struct {
	raw []byte
	dn  DN
	ok  bool
}

func newComparedName(raw []byte) comparedName {
	dn, ok := ParseDN(raw)
	return comparedName{raw, dn, ok}
}

func (n comparedName) compare(other comparedName) Match {
	switch {
	case bytes.Equal(n.raw, other.raw):
		return Certain
	case !n.ok || !other.ok:
		return Possible
	case len(n.dn) != len(other.dn):
		return Different
	case n.dn.Permits(other.dn):
		return Certain
	case n.dn.Excludes(other.dn) && other.dn.Excludes(n.dn):
		return Possible
	}
	return Different
}

// NameKey returns a string that two names share if they are certainly equal, and
// no others: no text imitates the structure of a name.
func NameKey(raw []byte) string {
	key, last, multiple := make([]byte, 0, len(raw)+16), -1, false
	eachAttribute(raw, func(rdn int, id, element []byte, tag asn1.Tag, value []byte) {
		multiple, last = multiple || rdn == last, rdn
		key, _ = appendValue(append(key, '/'), id, element, tag, value)
	})
	if !multiple {
		return string(key)
	}
	dn, _ := ParseDN(raw)
	return dn.key()
}

// DN is a distinguished name, prepared for comparison with others: its RDNs, each
// a set of attributes in the order of their keys.
type DN [][]comparedValue

type comparedValue struct {
	key  string // equal for what is equal
	kind string
	text bool
}

// ParseDN reads a DER RDNSequence. It reports false where the structure is
// broken. An empty one is fine.
func ParseDN(raw []byte) (dn DN, ok bool) {
	ok = eachAttribute(raw, func(rdn int, id, element []byte, tag asn1.Tag, value []byte) {
		if rdn == len(dn) {
			dn = append(dn, nil)
		}
		key, text := appendValue(nil, id, element, tag, value)
		dn[rdn] = append(dn[rdn], comparedValue{string(key), string(id), text})
	})
	for _, rdn := range dn {
		slices.SortFunc(rdn, func(a, b comparedValue) int { return strings.Compare(a.key, b.key) })
	}
	return dn, ok
}

func (d DN) key() string {
	var key strings.Builder
	for _, rdn := range d {
		key.WriteByte('/')
		for _, v := range rdn {
			key.WriteString(v.key)
		}
	}
	return key.String()
}

// Permits reports whether name lies in the subtree below d (section 4.2.1.10):
// each RDN of d is, certainly, the same as name's at its place.
func (d DN) Permits(name DN) bool {
	same := func(a, b comparedValue) bool { return a.key == b.key }
	return len(d) <= len(name) && slices.EqualFunc(d, name[:len(d)], func(a, b []comparedValue) bool { return slices.EqualFunc(a, b, same) })
}

// Excludes reports whether name might lie in the subtree below d. More
// attributes in an RDN than d has do not take a name out of it.
func (d DN) Excludes(name DN) bool {
	if len(d) > len(name) {
		return false
	}
	for i, rdn := range d {
		for _, want := range rdn {
			if !slices.ContainsFunc(name[i], func(have comparedValue) bool {
				return want.key == have.key || want.kind == have.kind && !(want.text && have.text)
			}) {
				return false
			}
		}
	}
	return true
}

// Comparisons bounds how many attributes are compared to tell whether name lies
// below d.
func (d DN) Comparisons(name DN) (n int) {
	for i := range min(len(d), len(name)) {
		n += len(d[i]) * len(name[i])
	}
	return n
}

// appendValue appends what equal attributes have in common: their type, and of
// text its value in lower case with single spaces, of others the encoding.
func appendValue(key, id, element []byte, tag asn1.Tag, value []byte) (_ []byte, text bool) {
	// Octets that no text has.
	const notText, end = 0xfe, 0xff
	key = appendLength(key, id)
	decoded, text := decodeString(tag, value)
	switch {
	case text:
		return append(appendFolded(key, decoded), end), true
	case tag == asn1.T61String:
		// As OpenSSL takes it; others read it otherwise.
		return append(appendFolded(key, latin1(value)), end), false
	}
	return append(appendLength(append(key, notText), element), end), false
}

func appendLength(key, s []byte) []byte {
	return append(append(strconv.AppendInt(key, int64(len(s)), 10), ':'), s...)
}

func latin1(value []byte) string {
	var text strings.Builder
	for _, b := range value {
		text.WriteRune(rune(b))
	}
	return text.String()
}

// appendFolded appends text in lower case, without white space at its ends and
// with one space for each run of it. Beyond ASCII letters that have several forms of
// the one or the other case are one (simple case folding), and a dotless i is no i.
func appendFolded(key []byte, text string) []byte {
	if !isASCII(text) {
		return append(key, strings.Map(folded, strings.Join(strings.Fields(text), " "))...)
	}
	start, space := len(key), false
	for _, b := range []byte(text) {
		if b == ' ' || '\t' <= b && b <= '\r' {
			space = len(key) > start
			continue
		}
		if space {
			key, space = append(key, ' '), false
		}
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		key = append(key, b)
	}
	return key
}

// folded returns the first of the letters that differ from r in case alone, of ASCII
// the lower one.
func folded(r rune) rune {
	first := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		first = min(first, other)
	}
	if 'A' <= first && first <= 'Z' {
		first += 'a' - 'A'
	}
	return first
}

package certpath

import (
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certname"
)

// rdn is one relative distinguished name, prepared for comparison.
type rdn []attribute

// attribute holds an attribute value in three forms, from the narrowest
// comparison to the widest. RFC 5280, section 7.1, compares without regard to
// case and with white space folded, by rules (RFC 4518) whose tables for text
// beyond ASCII are not at hand. So there are two comparisons: one that sees
// equality only where the RFC certainly does, for permitted subtrees, and one
// that sees it wherever the RFC might, for excluded ones.
type attribute struct {
	kind   string // type, dotted
	der    string // the value's encoding
	narrow string // ASCII case and spaces folded; of string types that fold alone
	wide   string // all case and spaces folded; of any text
	folds  bool
	text   bool
}

// parseDN reads an RDNSequence. An empty one is no error.
func parseDN(raw []byte) ([]rdn, error) {
	attributes, err := certname.ParseName(raw)
	if err != nil {
		return nil, err
	}
	return newDN(attributes), nil
}

func newDN(attributes []certname.Attribute) []rdn {
	var out []rdn
	for _, a := range attributes {
		if a.RDN == len(out) {
			out = append(out, nil)
		}
		out[a.RDN] = append(out[a.RDN], newAttribute(a))
	}
	return out
}

func newAttribute(a certname.Attribute) attribute {
	out := attribute{kind: a.Type, der: string(a.DER), text: a.Text}
	switch a.Tag {
	// Section 7.1 folds PrintableString and UTF8String, and IA5String in
	// domainComponent and emailAddress, where it is the only type.
	case asn1.PrintableString, asn1.UTF8String, asn1.IA5String:
		out.folds = a.Text
	}
	if a.Text {
		spaced := foldSpace(a.Value)
		out.narrow = lowerASCII(spaced)
		// Both ways: some letters have several of the one or the other case.
		out.wide = strings.ToLower(strings.ToUpper(spaced))
	}
	return out
}

// foldSpace drops spaces at both ends and makes every run of them one.
func foldSpace(s string) string {
	return strings.Join(strings.Fields(s), " ")
}

// permitsDN reports whether name lies in the subtree below base: each RDN of
// base is, certainly, the same as name's at its place (section 7.1).
func permitsDN(base, name []rdn) bool {
	if len(base) > len(name) {
		return false
	}
	for i := range base {
		// Both ways, or a value that base spells twice would make room for
		// another.
		if !coversRDN(base[i], name[i], certainlyEqual) || !coversRDN(name[i], base[i], certainlyEqual) {
			return false
		}
	}
	return true
}

// excludesDN reports whether name might lie in the subtree below base. More
// attributes in an RDN than base has do not take a name out of it.
func excludesDN(base, name []rdn) bool {
	if len(base) > len(name) {
		return false
	}
	for i := range base {
		if !coversRDN(base[i], name[i], possiblyEqual) {
			return false
		}
	}
	return true
}

// coversRDN reports whether each attribute of base has an equal one in name,
// whatever their order: an RDN is a set.
func coversRDN(base, name rdn, equal func(a, b attribute) bool) bool {
	for _, want := range base {
		if !slices.ContainsFunc(name, func(have attribute) bool { return equal(want, have) }) {
			return false
		}
	}
	return true
}

func certainlyEqual(a, b attribute) bool {
	return a.kind == b.kind && (a.der == b.der || a.folds && b.folds && a.narrow == b.narrow)
}

// possiblyEqual takes a value that is no text for equal to any of its type.
func possiblyEqual(a, b attribute) bool {
	return a.kind == b.kind && (!a.text || !b.text || a.wide == b.wide)
}

// comparisons bounds how many attributes are compared to tell whether name lies
// below base.
func comparisons(base, name []rdn) int {
	n := 0
	for i := range min(len(base), len(name)) {
		n += 2 * len(base[i]) * len(name[i])
	}
	return n
}

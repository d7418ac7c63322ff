package certificate_test

import (
	"fmt"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certificate"
)

const (
	numeric   = asn1.Tag(18)
	visible   = asn1.Tag(26)
	universal = asn1.Tag(28)
	bmp       = asn1.Tag(30)
)

// attribute is a part of a name to encode; several in one RDN.
type attribute struct {
	id    certificate.OID
	tag   asn1.Tag
	value string
}

const organisation = certificate.OID("\x55\x04\x0a")

// name encodes an RDNSequence.
func name(rdns ...[]attribute) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, rdn := range rdns {
			b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
				for _, a := range rdn {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(a.id)) })
						b.AddASN1(a.tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(a.value)) })
					})
				}
			})
		}
	})
	return b.BytesOrPanic()
}

// cn is the name of one common name.
func cn(tag asn1.Tag, value string) []byte {
	return name([]attribute{{certificate.TypeCommonName, tag, value}})
}

// inType writes ASCII text as a string of this type does.
func inType(tag asn1.Tag, text string) string {
	width := map[asn1.Tag]int{bmp: 2, universal: 4}[tag]
	if width == 0 {
		return text
	}
	var out []byte
	for _, c := range []byte(text) {
		out = append(append(out, make([]byte, width-1)...), c)
	}
	return string(out)
}

// TestNamesCompareByValue: RFC 5280, section 7.1, for every pair of string types.
func TestNamesCompareByValue(t *testing.T) {
	types := []asn1.Tag{asn1.UTF8String, asn1.PrintableString, asn1.T61String, asn1.IA5String, visible, bmp, universal}
	for _, a := range types {
		for _, b := range types {
			for _, c := range []struct {
				name, a, b string
				same       bool
			}{
				{"the same", "Issuing CA 1", "Issuing CA 1", true},
				{"case", "Issuing CA 1", "ISSUING ca 1", true},
				{"inner space", "Issuing CA 1", "Issuing   CA 1", true},
				{"space at the ends", "Issuing CA 1", "  Issuing CA 1 ", true},
				{"another", "Issuing CA 1", "Issuing CA 2", false},
				{"no space", "Issuing CA 1", "IssuingCA 1", false},
				{"longer", "Issuing CA 1", "Issuing CA 11", false},
				{"empty", "Issuing CA 1", "", false},
			} {
				t.Run(fmt.Sprintf("%s in %d and %d", c.name, a, b), func(t *testing.T) {
					x, y := cn(a, inType(a, c.a)), cn(b, inType(b, c.b))
					if got := certificate.NameKey(x) == certificate.NameKey(y); got != c.same {
						t.Errorf("share a key: %v, want %v", got, c.same)
					}
					if got := certificate.Compare(x, y); (got == certificate.Certain) != c.same || (got == certificate.Different) == c.same {
						t.Errorf("compare as %v, want the same: %v", got, c.same)
					}
					dx, _ := certificate.ParseDN(x)
					dy, _ := certificate.ParseDN(y)
					if dx.Permits(dy) != c.same || dx.Excludes(dy) != c.same {
						t.Errorf("permits %v, excludes %v, want %v", dx.Permits(dy), dx.Excludes(dy), c.same)
					}
				})
			}
		}
	}
}

// TestNameKeys: what else makes two names the same, or not. No name imitates
// another's structure by its text.
func TestNameKeys(t *testing.T) {
	one := attribute{certificate.TypeCommonName, asn1.UTF8String, "a"}
	other := attribute{organisation, asn1.UTF8String, "b"}
	// A type whose octets text may have, whatever its case.
	small := func(value string) attribute { return attribute{"\x2a\x03", asn1.UTF8String, value} }
	bits := func(value string) []byte { return cn(asn1.BIT_STRING, value) }
	for _, c := range []struct {
		name string
		a, b []byte
		same bool
	}{
		{"an RDN is a set", name([]attribute{one, other}), name([]attribute{other, one}), true},
		{"RDNs are in order", name([]attribute{one}, []attribute{other}), name([]attribute{other}, []attribute{one}), false},
		{"one RDN and two", name([]attribute{one, other}), name([]attribute{one}, []attribute{other}), false},
		{"a prefix", name([]attribute{one}), name([]attribute{one}, []attribute{other}), false},
		{"an attribute twice", name([]attribute{one}), name([]attribute{one, one}), false},
		{"another type of attribute", cn(asn1.UTF8String, "a"), name([]attribute{{organisation, asn1.UTF8String, "a"}}), false},
		{"empty names", name(), name(), true},
		{"an empty name", name(), name([]attribute{one}), false},
		{"an RDN of no attribute", name([]attribute{one}, nil), name([]attribute{one}), true},
		{"Latin-1 in T61String", cn(asn1.T61String, "M\xfcller"), cn(asn1.UTF8String, "müller"), true},
		{"case beyond ASCII", cn(asn1.UTF8String, "MÜLLER"), cn(asn1.UTF8String, "müller"), true},
		{"letters with two forms of lower case", cn(asn1.UTF8String, "ſΣé"), cn(asn1.UTF8String, "sςÉ"), true},
		{"an ASCII letter and one beyond", cn(asn1.UTF8String, "\u212aey"), cn(asn1.UTF8String, "key"), true},
		{"a dotless i", cn(asn1.UTF8String, "kadı"), cn(asn1.UTF8String, "kadi"), false},
		{"a dotted capital I", cn(asn1.UTF8String, "KADİ"), cn(asn1.UTF8String, "KADI"), false},
		{"BIT STRING", bits("\x00ab"), bits("\x00ab"), true},
		{"BIT STRING in another case", bits("\x00ab"), bits("\x00aB"), false},
		{"not UTF-8", cn(asn1.UTF8String, "\xff"), cn(asn1.UTF8String, "\xfe"), false},
		{"text like structure", name([]attribute{small("a")}, []attribute{small("b")}), name([]attribute{small("a\xff/2:\x2a\x03b")}), false},
		{"NUL like structure", name([]attribute{small("a")}, []attribute{small("b")}), name([]attribute{small("a\x00/2:\x2a\x03b")}), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := certificate.NameKey(c.a) == certificate.NameKey(c.b); got != c.same {
				t.Errorf("share a key: %v (%q, %q), want %v", got, certificate.NameKey(c.a), certificate.NameKey(c.b), c.same)
			}
		})
	}
}

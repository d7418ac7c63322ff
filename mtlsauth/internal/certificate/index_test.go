package certificate

import (
	"fmt"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// value is an attribute of a name for a test: commonName where oid is empty.
type value struct {
	oid  string
	tag  asn1.Tag
	text string
}

// nameOf returns the DER of a name of these RDNs.
func nameOf(rdns ...[]value) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, rdn := range rdns {
			b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
				for _, v := range rdn {
					if v.oid == "" {
						v.oid = "\x55\x04\x03"
					}
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(v.oid)) })
						b.AddASN1(v.tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(v.text)) })
					})
				}
			})
		}
	})
	return b.BytesOrPanic()
}

func TestCompare(t *testing.T) {
	const (
		printable, utf8, t61, octets = asn1.PrintableString, asn1.UTF8String, asn1.T61String, asn1.OCTET_STRING
		org                          = "\x55\x04\x0a"
	)
	cn := func(tag asn1.Tag, text string) []byte { return nameOf([]value{{"", tag, text}}) }
	for _, test := range []struct {
		name string
		a, b []byte
		want Match
	}{
		{"the same bytes", cn(printable, "CA"), cn(printable, "CA"), Certain},
		{"another string type", cn(printable, "Issuing CA"), cn(utf8, "Issuing CA"), Certain},
		{"other capitals", cn(printable, "Issuing CA"), cn(printable, "ISSUING ca"), Certain},
		{"other spaces", cn(printable, "Issuing CA"), cn(utf8, " Issuing  CA "), Certain},
		{"capitals beyond ASCII", cn(utf8, "MÜLLER"), cn(utf8, "Müller"), Certain},
		{"Latin-1 in a T61String", cn(t61, "M\xfcller"), cn(utf8, "Müller"), Certain},
		{"a T61String of unclear encoding", cn(t61, "M\xc8uller"), cn(utf8, "Müller"), Possible},
		{"a value that is not text", cn(octets, "x"), cn(utf8, "Müller"), Possible},
		{"another text", cn(utf8, "CA 1"), cn(utf8, "CA 2"), Different},
		{"another attribute", cn(utf8, "CA"), nameOf([]value{{org, utf8, "CA"}}), Different},
		{"one RDN more", cn(utf8, "CA"), nameOf([]value{{"", utf8, "CA"}}, []value{{org, utf8, "O"}}), Different},
		{"a set in another order", nameOf([]value{{"", utf8, "a"}, {org, utf8, "b"}}), nameOf([]value{{org, utf8, "b"}, {"", utf8, "a"}}), Certain},
		{"a value twice for two values", nameOf([]value{{"", utf8, "a"}, {"", utf8, "a"}}), nameOf([]value{{"", utf8, "a"}, {"", utf8, "b"}}), Different},
		{"one that cannot be parsed", []byte("\x30\x01\x05"), cn(utf8, "CA"), Possible},
		{"one that cannot be parsed, and itself", []byte("\x30\x01\x05"), []byte("\x30\x01\x05"), Certain},
		{"both empty", nameOf(), nameOf(), Certain},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, back := Compare(test.a, test.b), Compare(test.b, test.a); got != test.want || back != got {
				t.Errorf("got %d and %d, want %d", got, back, test.want)
			}
			for _, pair := range [][2][]byte{{test.a, test.b}, {test.b, test.a}} {
				var x Index[int]
				x.Add(pair[1], 7)
				x.Add(nameOf([]value{{"\x2a", utf8, "of another type"}}), 8)
				found := Different
				x.Find(pair[0], func(value int, match Match) {
					if match == Different {
						t.Error("Index: found what is different")
					}
					if value == 7 {
						found = match
					}
				})
				if found != test.want || x.Len() != 2 {
					t.Errorf("Index: got %d of %d, want %d", found, x.Len(), test.want)
				}
			}
		})
	}
}

// TestIndexParsesNamesOnce: what a lookup allocates does not grow with the names of
// which it cannot be said whether they are equal.
func TestIndexParsesNamesOnce(t *testing.T) {
	var x Index[int]
	for i := range 100 {
		x.Add(nameOf([]value{{"", asn1.T61String, fmt.Sprintf("\xe9%d", i)}}), i)
	}
	name := nameOf([]value{{"", asn1.UTF8String, "ca"}})
	if n := testing.AllocsPerRun(10, func() { x.Find(name, func(int, Match) {}) }); n > 20 {
		t.Errorf("%v allocations for a lookup among 100 names", n)
	}
}

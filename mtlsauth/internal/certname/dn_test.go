package certname_test

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/certname"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// attr is an attribute with its value's DER given as tag and content.
type attr struct {
	oid     asn1.ObjectIdentifier
	tag     int
	content string
}

var (
	cn = asn1.ObjectIdentifier{2, 5, 4, 3}
	o  = asn1.ObjectIdentifier{2, 5, 4, 10}
)

const (
	utf8String = 12
	printable  = 19
	t61        = 20
	ia5        = 22
	universal  = 28
	bmp        = 30
)

// rdnSequence encodes each argument as one RDN, in that order and unsorted.
func rdnSequence(t testing.TB, rdns ...[]attr) []byte {
	t.Helper()
	var sets []byte
	for _, rdn := range rdns {
		var pairs []byte
		for _, a := range rdn {
			pairs = append(pairs, marshal(t, struct {
				Type  asn1.ObjectIdentifier
				Value asn1.RawValue
			}{a.oid, asn1.RawValue{Tag: a.tag, Bytes: []byte(a.content)}})...)
		}
		sets = append(sets, marshal(t, asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: pairs})...)
	}
	return marshal(t, asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: sets})
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	der, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestDistinguishedNameOfACertificate(t *testing.T) {
	// The subject of Kong's how-to; this is what openssl x509 -subject
	// -nameopt RFC2253 prints for it.
	const want = `CN=www.example.com,OU=Org,O=Kong,L=San Francisco,ST=California,C=US`
	ca := pki.NewCA("", pki.Subject(pkix.Name{
		CommonName: "www.example.com", OrganizationalUnit: []string{"Org"}, Organization: []string{"Kong"},
		Locality: []string{"San Francisco"}, Province: []string{"California"}, Country: []string{"US"},
	}))
	got, err := certname.DistinguishedName(ca.RawSubject)
	if err != nil || got != want {
		t.Errorf("DistinguishedName = %q, %v; want %q", got, err, want)
	}
}

func TestDistinguishedName(t *testing.T) {
	text := func(s string) []byte { return rdnSequence(t, []attr{{cn, utf8String, s}}) }
	for _, test := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"empty name", rdnSequence(t), ""},
		{"order is reversed", rdnSequence(t, []attr{{o, printable, "Kong"}}, []attr{{cn, printable, "a"}}), "CN=a,O=Kong"},
		{"multi-valued RDN", rdnSequence(t, []attr{{o, printable, "x"}, {cn, printable, "a"}}, []attr{{cn, printable, "b"}}), "CN=b,O=x+CN=a"},
		{"every special", text(`a"+,;<>\=`), `CN=a\"\+\,\;\<\>\\=`},
		{"leading hash", text("#a#"), `CN=\#a#`},
		{"spaces at both ends", text("  a  "), `CN=\20 a \20`},
		{"one space", text(" "), `CN=\20`},
		{"empty value", text(""), "CN="},
		{"NUL", text("a\x00b"), `CN=a\00b`},
		{"line break and tab", text("a\r\n\tb"), `CN=a\0D\0A\09b`},
		{"DEL", text("a\x7f"), `CN=a\7F`},
		{"C1", text("a\u0085b"), `CN=a\C2\85b`},
		{"UTF-8", text("Jürgen 世界"), "CN=Jürgen 世界"},
		{"invalid UTF-8", text("a\xffb"), "CN=#0c0361ff62"},
		{"BMPString", rdnSequence(t, []attr{{cn, bmp, "\x00J\x00\xfc"}}), "CN=Jü"},
		{"BMPString of odd length", rdnSequence(t, []attr{{cn, bmp, "\x00J\x00"}}), "CN=#1e03004a00"},
		{"BMPString with a surrogate", rdnSequence(t, []attr{{cn, bmp, "\xd8\x00"}}), "CN=#1e02d800"},
		{"UniversalString", rdnSequence(t, []attr{{cn, universal, "\x00\x01\xf6\x00"}}), "CN=\U0001f600"},
		{"UniversalString beyond Unicode", rdnSequence(t, []attr{{cn, universal, "\x7f\x00\x00\x00"}}), "CN=#1c047f000000"},
		{"T61String of ASCII", rdnSequence(t, []attr{{cn, t61, "abc"}}), "CN=abc"},
		{"T61String beyond ASCII", rdnSequence(t, []attr{{cn, t61, "J\xfc"}}), "CN=#14024afc"},
		{"no string", rdnSequence(t, []attr{{cn, asn1.TagInteger, "\x05"}}), "CN=#020105"},
		{"attribute outside the table", rdnSequence(t, []attr{{asn1.ObjectIdentifier{2, 5, 4, 5}, printable, "7"}}), "2.5.4.5=#130137"},
		{"emailAddress", rdnSequence(t, []attr{{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, ia5, "a@b"}}), "1.2.840.113549.1.9.1=#1603614062"},
		{"DC and UID", rdnSequence(t, []attr{{asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, ia5, "org"}}, []attr{{asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, utf8String, "u"}}), "UID=u,DC=org"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := certname.DistinguishedName(test.raw)
			if err != nil || got != test.want {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestDistinguishedNameRefusesBrokenDER(t *testing.T) {
	good := rdnSequence(t, []attr{{cn, utf8String, "a"}})
	for name, raw := range map[string][]byte{
		"nothing":        nil,
		"trailing bytes": append(slices.Clone(good), 0),
		"cut":            good[:len(good)-1],
		"empty RDN":      rdnSequence(t, nil),
		"not a sequence": {0x31, 0},
	} {
		if got, err := certname.DistinguishedName(raw); err == nil || got != "" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		if got, err := certname.ParseName(raw); err == nil || got != nil {
			t.Errorf("%s: ParseName got %v, %v", name, got, err)
		}
	}
}

func TestParseNameCountsAttributesThatAreNoText(t *testing.T) {
	raw := rdnSequence(t, []attr{{cn, utf8String, "a"}}, []attr{{cn, t61, "\xfc"}})
	attributes, err := certname.ParseName(raw)
	if err != nil {
		t.Fatal(err)
	}
	if len(attributes) != 2 || !attributes[0].Text || attributes[1].Text || attributes[1].Value != "" {
		t.Errorf("got %+v", attributes)
	}
	for _, a := range attributes {
		if a.Type != certname.TypeCommonName {
			t.Errorf("type %q", a.Type)
		}
	}
}

func TestParseNameTakesArcsOfAnySize(t *testing.T) {
	// 2.25.(2^70): an OID that encoding/asn1 cannot hold.
	oid := []byte{0x06, 12, 0x69, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}
	pair := append([]byte{0x30, byte(len(oid) + 3)}, append(oid, 0x0c, 1, 'a')...)
	set := append([]byte{0x31, byte(len(pair))}, pair...)
	raw := append([]byte{0x30, byte(len(set))}, set...)
	got, err := certname.DistinguishedName(raw)
	if err != nil || got != "2.25.1180591620717411303424=#0c0161" {
		t.Errorf("got %q, %v", got, err)
	}
}

func FuzzDistinguishedName(f *testing.F) {
	f.Add(rdnSequence(f, []attr{{cn, utf8String, "a,b"}}, []attr{{o, bmp, "\x00a"}, {cn, t61, "\xfc"}}), []byte("x"))
	f.Add(rdnSequence(f, []attr{{cn, utf8String, " \n#"}}), rdnSequence(f, []attr{{cn, printable, " \n#"}}))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		one, err := certname.DistinguishedName(first)
		if err != nil && one != "" {
			t.Fatalf("an error and %q", one)
		}
		if strings.ContainsFunc(one, isControl) {
			t.Fatalf("control character in %q", one)
		}
		// HTTP trims field values.
		if one != strings.Trim(one, " ") {
			t.Fatalf("%q has a space at an end", one)
		}
		two, err2 := certname.DistinguishedName(second)
		if err == nil && err2 == nil && one == two && !sameName(t, first, second) {
			t.Fatalf("%x and %x are both %q", first, second, one)
		}
	})
}

// sameName compares texts where both values are text, else the encodings.
func sameName(t *testing.T, first, second []byte) bool {
	one, err1 := certname.ParseName(first)
	two, err2 := certname.ParseName(second)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return slices.EqualFunc(one, two, func(a, b certname.Attribute) bool {
		if a.Type != b.Type || a.RDN != b.RDN || a.Text != b.Text {
			return false
		}
		return a.Text && a.Value == b.Value || string(a.DER) == string(b.DER)
	})
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r <= 0x9f }

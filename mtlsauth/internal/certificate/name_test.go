package certificate_test

import (
	"crypto/x509/pkix"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func TestDistinguishedNameOfACertificate(t *testing.T) {
	// The subject of Kong's how-to; this is what openssl x509 -subject
	// -nameopt RFC2253 prints for it.
	const want = `CN=www.example.com,OU=Org,O=Kong,L=San Francisco,ST=California,C=US`
	ca := pki.NewCA("", pki.Subject(pkix.Name{
		CommonName: "www.example.com", OrganizationalUnit: []string{"Org"}, Organization: []string{"Kong"},
		Locality: []string{"San Francisco"}, Province: []string{"California"}, Country: []string{"US"},
	}))
	if got := certificate.DistinguishedName(ca.RawSubject); got != want {
		t.Errorf("DistinguishedName = %q; want %q", got, want)
	}
}

func TestDistinguishedName(t *testing.T) {
	text := func(s string) []byte { return name([]attribute{{certificate.TypeCommonName, asn1.UTF8String, s}}) }
	for _, test := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"empty name", name(), ""},
		{"order is reversed", name([]attribute{{organisation, asn1.PrintableString, "Kong"}}, []attribute{{certificate.TypeCommonName, asn1.PrintableString, "a"}}), "CN=a,O=Kong"},
		{"multi-valued RDN", name([]attribute{{organisation, asn1.PrintableString, "x"}, {certificate.TypeCommonName, asn1.PrintableString, "a"}}, []attribute{{certificate.TypeCommonName, asn1.PrintableString, "b"}}), "CN=b,O=x+CN=a"},
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
		{"BMPString", name([]attribute{{certificate.TypeCommonName, bmp, "\x00J\x00\xfc"}}), "CN=Jü"},
		{"BMPString of odd length", name([]attribute{{certificate.TypeCommonName, bmp, "\x00J\x00"}}), "CN=#1e03004a00"},
		{"BMPString with a surrogate", name([]attribute{{certificate.TypeCommonName, bmp, "\xd8\x00"}}), "CN=#1e02d800"},
		{"UniversalString", name([]attribute{{certificate.TypeCommonName, universal, "\x00\x01\xf6\x00"}}), "CN=\U0001f600"},
		{"UniversalString beyond Unicode", name([]attribute{{certificate.TypeCommonName, universal, "\x7f\x00\x00\x00"}}), "CN=#1c047f000000"},
		{"T61String of ASCII", name([]attribute{{certificate.TypeCommonName, asn1.T61String, "abc"}}), "CN=abc"},
		{"T61String beyond ASCII", name([]attribute{{certificate.TypeCommonName, asn1.T61String, "J\xfc"}}), "CN=#14024afc"},
		{"no string", name([]attribute{{certificate.TypeCommonName, asn1.INTEGER, "\x05"}}), "CN=#020105"},
		{"attribute outside the table", name([]attribute{{"\x55\x04\x05", asn1.PrintableString, "7"}}), "2.5.4.5=#130137"},
		{"emailAddress", name([]attribute{{certificate.TypeEmailAddress, asn1.IA5String, "a@b"}}), "1.2.840.113549.1.9.1=#1603614062"},
		{"DC and UID", name([]attribute{{"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19", asn1.IA5String, "org"}}, []attribute{{"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01", asn1.UTF8String, "u"}}), "UID=u,DC=org"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := certificate.DistinguishedName(test.raw); got != test.want {
				t.Errorf("got %q; want %q", got, test.want)
			}
		})
	}
}

func TestDistinguishedNameRefusesBrokenDER(t *testing.T) {
	good := name([]attribute{{certificate.TypeCommonName, asn1.UTF8String, "a"}})
	for name, raw := range map[string][]byte{
		"nothing":        nil,
		"trailing bytes": append(slices.Clone(good), 0),
		"cut":            good[:len(good)-1],
		"not a sequence": {0x31, 0},
	} {
		if got := certificate.DistinguishedName(raw); got != "" {
			t.Errorf("%s: got %q", name, got)
		}
		if got, ok := certificate.ParseName(raw); ok || got != nil {
			t.Errorf("%s: ParseName got %v, %v", name, got, ok)
		}
	}
}

func TestParseNameCountsAttributesThatAreNoText(t *testing.T) {
	raw := name([]attribute{{certificate.TypeCommonName, asn1.UTF8String, "a"}}, []attribute{{certificate.TypeCommonName, asn1.T61String, "\xfc"}})
	attributes, ok := certificate.ParseName(raw)
	if !ok || len(attributes) != 2 || !attributes[0].Text || attributes[1].Text || attributes[1].Value != "" {
		t.Errorf("got %+v", attributes)
	}
	for _, a := range attributes {
		if a.Type != certificate.TypeCommonName {
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
	if got := certificate.DistinguishedName(raw); got != "2.25.1180591620717411303424=#0c0161" {
		t.Errorf("got %q", got)
	}
}

func FuzzDistinguishedName(f *testing.F) {
	f.Add(name([]attribute{{certificate.TypeCommonName, asn1.UTF8String, "a,b"}}, []attribute{{organisation, bmp, "\x00a"}, {certificate.TypeCommonName, asn1.T61String, "\xfc"}}), []byte("x"))
	f.Add(name([]attribute{{certificate.TypeCommonName, asn1.UTF8String, " \n#"}}), name([]attribute{{certificate.TypeCommonName, asn1.PrintableString, " \n#"}}))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		one := certificate.DistinguishedName(first)
		if strings.ContainsFunc(one, isControl) {
			t.Fatalf("control character in %q", one)
		}
		// HTTP trims field values.
		if one != strings.Trim(one, " ") {
			t.Fatalf("%q has a space at an end", one)
		}
		if one == certificate.DistinguishedName(second) && !sameName(first, second) {
			t.Fatalf("%x and %x are both %q", first, second, one)
		}
	})
}

// sameName compares texts where both values are text, else the encodings.
// A name that cannot be read is like an empty one.
func sameName(first, second []byte) bool {
	one, _ := certificate.ParseName(first)
	two, _ := certificate.ParseName(second)
	return slices.EqualFunc(one, two, func(a, b certificate.Attribute) bool {
		if a.Type != b.Type || a.RDN != b.RDN || a.Text != b.Text {
			return false
		}
		return a.Text && a.Value == b.Value || string(a.DER) == string(b.DER)
	})
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r <= 0x9f }

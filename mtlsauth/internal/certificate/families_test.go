package certificate_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/signature"
)

// TestSerialNumbers: RFC 5280, section 4.1.2.2, wants certificate users to handle
// negative and long ones.
func TestSerialNumbers(t *testing.T) {
	var numbers []*big.Int
	for bits := uint(0); bits <= 160; bits++ {
		n := new(big.Int).Lsh(big.NewInt(1), bits)
		for d := int64(-1); d <= 1; d++ {
			m := new(big.Int).Add(n, big.NewInt(d))
			numbers = append(numbers, m, new(big.Int).Neg(m))
		}
	}
	for _, n := range numbers {
		b := cryptobyte.NewBuilder(nil)
		b.AddASN1BigInt(n)
		c, err := certificate.Parse(forged{serial: b.BytesOrPanic()}.der())
		if err != nil {
			t.Errorf("%v: %v", n, err)
			continue
		}
		if got := c.SerialNumber(); got.Cmp(n) != 0 {
			t.Errorf("%v: read as %v", n, got)
		}
	}
	for name, serial := range map[string][]byte{
		"empty":               {2, 0},
		"a zero too many":     {2, 2, 0, 1},
		"a sign too many":     {2, 2, 0xff, 0x80},
		"no INTEGER":          {4, 1, 1},
		"long form of length": {2, 0x81, 1, 1},
	} {
		if _, err := certificate.Parse(forged{serial: serial}.der()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestAttributes: a certificate is read whatever the string types in its names,
// and whatever octets are in them. What its type does not allow is not text.
func TestAttributes(t *testing.T) {
	types := []certificate.OID{
		certificate.TypeCommonName, certificate.TypeEmailAddress, "\x55\x04\x0a", "\x55\x04\x06", "\x55\x04\x05", "\x55\x04\x2d",
		"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19", "\x2a\x83\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
	}
	texts := map[asn1.Tag][]string{
		asn1.UTF8String:      {"a", "", "ü", "日本"},
		asn1.PrintableString: {"a", "", "a_b", "*.a", "a@b", "a&b"},
		asn1.T61String:       {"a", ""},
		asn1.IA5String:       {"a", "", "a\x01"},
		numeric:              {"1 2", "", "a"},
		visible:              {"a", ""},
		universal:            {"\x00\x00\x00a", "", "\x00\x01\xf6\x00"},
		bmp:                  {"\x00a", "", "\x26\x3a"},
	}
	noTexts := map[asn1.Tag][]string{
		asn1.UTF8String:      {"\xff", "\xed\xa0\x80"},
		asn1.PrintableString: {"\xfc"},
		asn1.T61String:       {"M\xfcller"},
		asn1.IA5String:       {"\x80"},
		numeric:              {"\x80"},
		visible:              {"\x80"},
		universal:            {"\x00\x00\x00", "\x00\x11\x00\x00", "\x00\x00\xd8\x00"},
		bmp:                  {"a", "\xd8\x00\xdc\x00"},
		asn1.BIT_STRING:      {"", "\x00abc", "\x07\x80"},
		asn1.INTEGER:         {"\x01"},
		asn1.OCTET_STRING:    {"abc"},
		asn1.SEQUENCE:        {"\x05\x00", "\x05"},
		asn1.Tag(21):         {"videotex"},
		asn1.Tag(25):         {"graphic"},
		asn1.Tag(27):         {"general"},
	}
	for want, all := range map[bool]map[asn1.Tag][]string{true: texts, false: noTexts} {
		for tag, values := range all {
			for _, value := range values {
				for _, id := range types {
					raw := name([]attribute{{id, tag, value}})
					c, err := certificate.Parse(forged{subject: raw, issuer: raw}.der())
					if err != nil {
						t.Errorf("%v, tag %d, %q: %v", id, tag, value, err)
						continue
					}
					attributes, ok := certificate.ParseName(c.RawSubject)
					if !ok || len(attributes) != 1 || attributes[0].Text != want || attributes[0].Type != id {
						t.Errorf("%v, tag %d, %q: %+v, want text: %v", id, tag, value, attributes, want)
					}
				}
			}
		}
	}
	for name, raw := range map[string][]byte{
		"three parts":         sequence(element(asn1.SET, sequence(oid("\x55\x04\x03"), []byte{12, 1, 'a'}, []byte{12, 1, 'b'}))),
		"no value":            sequence(element(asn1.SET, sequence(oid("\x55\x04\x03")))),
		"no type":             sequence(element(asn1.SET, sequence([]byte{12, 1, 'a'}))),
		"a SEQUENCE of pairs": sequence(sequence(sequence(oid("\x55\x04\x03"), []byte{12, 1, 'a'}))),
		"a long length":       sequence(element(asn1.SET, sequence(oid("\x55\x04\x03"), long([]byte{12, 1, 'a'})))),
		"an open OID":         sequence(element(asn1.SET, sequence(oid("\x55\x84"), []byte{12, 1, 'a'}))),
		"a padded OID":        sequence(element(asn1.SET, sequence(oid("\x55\x80\x04"), []byte{12, 1, 'a'}))),
	} {
		if _, err := certificate.Parse(forged{subject: raw}.der()); err == nil || err.Error() != "malformed subject" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// extensions are good values of every kind that is understood, and whether it
// may be critical.
var extensions = []struct {
	name     string
	id       certificate.OID
	value    []byte
	critical bool // understood where it is
	needed   bool // by validation: malformed, nothing can be read
	// fine matches what broken does to it and leaves readable.
	fine string
}{
	{"basic constraints", certificate.OIDBasicConstraints, sequence([]byte{1, 1, 0xff}, []byte{2, 1, 3}), true, true, `^no content$`},
	{"key usage", certificate.OIDKeyUsage, []byte{3, 2, 1, 6}, true, true, ""},
	{"extended key usage", certificate.OIDExtKeyUsage, sequence(oid(certificate.ExtKeyUsageClientAuth), oid("\x2a")), true, true, `^no content$`},
	{"subject alternative name", certificate.OIDSubjectAltName, sequence(context(2, []byte("a.example")), context(7, []byte{192, 0, 2, 1}), constructed(4, name())), true, false, `^no content\.(0|2\.0)$`},
	{"name constraints", certificate.OIDNameConstraints, sequence(constructed(0, sequence(context(2, []byte("a.example")))), constructed(1, sequence(context(2, []byte("b.a.example"))))), true, false, `^no content\.[01](\.0\.0)?$|^an element more\.[01]\.0$`},
	{"certificate policies", certificate.OIDCertificatePolicies, sequence(sequence(oid("\x2a\x03")), sequence(oid("\x2a\x04"), sequence(sequence(oid("\x2a"), []byte{22, 1, 'a'})))), true, false, `^no content\.1\.1|^an element more\.1\.1|\.1\.1\.0\.`},
	{"policy mappings", certificate.OIDPolicyMappings, sequence(sequence(oid("\x2a\x03"), oid("\x2a\x04"))), true, false, ""},
	{"policy constraints", certificate.OIDPolicyConstraints, sequence(context(0, []byte{1}), context(1, []byte{2})), true, false, ""},
	{"inhibit anyPolicy", certificate.OIDInhibitAnyPolicy, []byte{2, 1, 3}, true, false, ""},
	{"CRL distribution points", certificate.OIDCRLDistributionPoints, sequence(sequence(constructed(0, constructed(0, context(6, []byte("http://a/")))))), true, false, `^no content\.0\.0\.0\.0$`},
	{"CRL distribution point with a relative name, reasons and an issuer", certificate.OIDCRLDistributionPoints, sequence(sequence(
		constructed(0, constructed(1, sequence(oid(certificate.TypeCommonName), []byte{12, 1, 'a'}))), context(1, []byte{1, 0x40}),
		constructed(2, constructed(4, name())))), true, false, `^no content\.0\.(2\.0\.0|0\.0\.0\.1)$`},
	{"OCSP no check", certificate.OIDOCSPNoCheck, []byte{5, 0}, true, false, `^no content$`},
	{"subject key identifier", certificate.OIDSubjectKeyID, []byte{4, 2, 1, 2}, false, false, ""},
	{"authority key identifier", certificate.OIDAuthorityKeyID, sequence(context(0, []byte{1, 2})), false, false, ""},
	{"authority information access", certificate.OIDAuthorityInfoAccess, sequence(sequence(oid(certificate.AccessOCSP), context(6, []byte("http://a/")))), false, false, ""},
	{"another", "\x2a\x03\x04", []byte{5, 0}, false, false, ""},
}

// broken returns values that are no longer what they were, one by one: bytes after it,
// none at all, and of it and each element inside, at any depth, a length that is not DER,
// another tag, one octet less of content, none, and an element more.
func broken(value []byte) map[string][]byte {
	out := map[string][]byte{"something after": slices.Concat(value, []byte{5, 0}), "nothing": nil}
	breakEach(value, "", func(how string, other []byte) { out[how] = other })
	return out
}

// breakEach calls f with an element broken in each way.
func breakEach(value []byte, path string, f func(how string, other []byte)) {
	f("a long length"+path, long(value))
	f("cut"+path, value[:len(value)-1])
	f("another tag"+path, slices.Concat([]byte{0x9f}, value[1:]))
	f("no content"+path, []byte{value[0], 0})
	inner, whole := children(value)
	if value[0]&0x20 == 0 || !whole {
		return
	}
	f("an element more"+path, element(asn1.Tag(value[0]), append(slices.Concat(value[2:]), 5, 0)))
	for i, child := range inner {
		breakEach(child, fmt.Sprint(path, ".", i), func(how string, other []byte) {
			parts := make([][]byte, len(inner))
			for j := range inner {
				parts[j] = inner[j]
			}
			parts[i] = other
			f(how, element(asn1.Tag(value[0]), parts...))
		})
	}
}

func TestExtensions(t *testing.T) {
	for _, e := range extensions {
		t.Run(e.name, func(t *testing.T) {
			for _, critical := range []bool{false, true} {
				c, err := certificate.Parse(forged{extensions: [][]byte{extension(e.id, critical, e.value)}}.der())
				if err != nil {
					t.Fatalf("good, critical %v: %v", critical, err)
				}
				checkCritical(t, "good", c, e.id, critical && !e.critical, false)
			}
			fine := regexp.MustCompile(cmp.Or(e.fine, "^$"))
			for how, value := range broken(e.value) {
				if fine.MatchString(how) {
					continue
				}
				for _, critical := range []bool{false, true} {
					c, err := certificate.Parse(forged{extensions: [][]byte{extension(e.id, critical, value)}}.der())
					switch {
					case e.needed && (err == nil || err.Error() != "malformed extension "+e.id.String()):
						t.Errorf("%s, critical %v: got %v", how, critical, err)
					case !e.needed && err != nil:
						t.Errorf("%s, critical %v: %v", how, critical, err)
					case !e.needed:
						checkCritical(t, how, c, e.id, critical && !e.critical, critical && e.critical)
						if got, want := c.Policies(), strictest(e.id); !reflect.DeepEqual(got, want) {
							t.Errorf("%s: policies %+v, want %+v", how, got, want)
						}
					}
				}
			}
			twice := forged{extensions: [][]byte{extension(e.id, false, e.value), extension("\x2a\x05", false, nil), extension(e.id, true, e.value)}}
			if _, err := certificate.Parse(twice.der()); err == nil || !strings.Contains(err.Error(), "comes twice") {
				t.Errorf("twice: got %v", err)
			}
		})
	}
}

// checkCritical asks for the verdict on an extension, which names it.
func checkCritical(t *testing.T, how string, c *certificate.Certificate, id certificate.OID, unknown, malformed bool) {
	t.Helper()
	err := c.CheckCritical()
	got, want := "", ""
	if err != nil {
		got = err.Error()
	}
	switch {
	case unknown:
		want = "critical extension " + id.String() + " is not understood"
	case malformed:
		want = "critical extension " + id.String() + " cannot be read"
	}
	if got != want {
		t.Errorf("%s: got %q, want %q", how, got, want)
	}
}

// strictest is what a certificate says about policies where the only extension with this
// OID cannot be read: it asserts nothing, and restricts most where policies are asked for,
// which it does not ask for itself.
func strictest(id certificate.OID) certificate.Policies {
	p := certificate.Policies{RequireExplicit: -1, InhibitMapping: -1, InhibitAny: -1}
	switch id {
	case certificate.OIDPolicyMappings, certificate.OIDPolicyConstraints:
		p.InhibitMapping = 0
	case certificate.OIDInhibitAnyPolicy:
		p.InhibitAny = 0
	}
	return p
}

// TestPolicies reads each field, and absence as -1.
func TestPolicies(t *testing.T) {
	for _, test := range []struct {
		name  string
		id    certificate.OID
		value []byte
		want  certificate.Policies
	}{
		{"policies", certificate.OIDCertificatePolicies, sequence(sequence(oid("\x2a\x03")), sequence(oid("\x2a\x04"))), certificate.Policies{Asserted: []certificate.OID{"\x2a\x03", "\x2a\x04"}, RequireExplicit: -1, InhibitMapping: -1, InhibitAny: -1}},
		{"mappings", certificate.OIDPolicyMappings, sequence(sequence(oid("\x2a\x03"), oid("\x2a\x04"))), certificate.Policies{Mappings: [][2]certificate.OID{{"\x2a\x03", "\x2a\x04"}}, RequireExplicit: -1, InhibitMapping: -1, InhibitAny: -1}},
		{"requireExplicitPolicy", certificate.OIDPolicyConstraints, sequence(context(0, []byte{0})), certificate.Policies{RequireExplicit: 0, InhibitMapping: -1, InhibitAny: -1}},
		{"inhibitPolicyMapping", certificate.OIDPolicyConstraints, sequence(context(1, []byte{0})), certificate.Policies{RequireExplicit: -1, InhibitMapping: 0, InhibitAny: -1}},
		{"both", certificate.OIDPolicyConstraints, sequence(context(0, []byte{1}), context(1, []byte{2})), certificate.Policies{RequireExplicit: 1, InhibitMapping: 2, InhibitAny: -1}},
		{"of many certificates", certificate.OIDPolicyConstraints, sequence(context(0, []byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0})), certificate.Policies{RequireExplicit: 1<<31 - 1, InhibitMapping: -1, InhibitAny: -1}},
		{"inhibitAnyPolicy", certificate.OIDInhibitAnyPolicy, []byte{2, 1, 0}, certificate.Policies{RequireExplicit: -1, InhibitMapping: -1, InhibitAny: 0}},
	} {
		c, err := certificate.Parse(forged{extensions: [][]byte{extension(test.id, true, test.value)}}.der())
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		} else if got := c.Policies(); !reflect.DeepEqual(got, test.want) || c.CheckCritical() != nil {
			t.Errorf("%s: got %+v, %v, want %+v", test.name, got, c.CheckCritical(), test.want)
		}
	}
}

// TestTwoReadings: what could be read in two ways is refused, wherever it is.
func TestTwoReadings(t *testing.T) {
	whole, _ := children(base.Raw)
	tbs, _ := children(whole[0])
	for name, der := range map[string][]byte{
		"data after the certificate": slices.Concat(base.Raw, []byte{5, 0}),
		"data after the signature":   sequence(whole[0], whole[1], whole[2], []byte{5, 0}),
		"data after the extensions":  forged{extensions: [][]byte{extension("\x2a", false, nil)}, last: []byte{5, 0}}.der(),
		"data in the validity":       forged{validity: element(asn1.SEQUENCE, elements(tbs[4]), []byte{5, 0})}.der(),
		"data after the key":         forged{key: element(asn1.SEQUENCE, elements(tbs[6]), []byte{5, 0})}.der(),
		"data in the version":        forged{version: constructed(0, []byte{2, 1, 2}, []byte{5, 0})}.der(),
		"data in an extension":       forged{extensions: [][]byte{sequence(oid("\x2a"), element(asn1.OCTET_STRING), []byte{5, 0})}}.der(),
		"FALSE after the value":      forged{extensions: [][]byte{sequence(oid("\x2a"), element(asn1.OCTET_STRING), []byte{1, 1, 0})}}.der(),
		"extensions twice":           forged{extensions: [][]byte{}, last: constructed(3, sequence())}.der(),
		"a long length":              long(base.Raw),
		"a long length inside":       sequence(long(whole[0]), whole[1], whole[2]),
		"a long length in a name":    forged{subject: long(name([]attribute{{certificate.TypeCommonName, asn1.UTF8String, "a"}}))}.der(),
		"an indefinite length":       slices.Concat([]byte{0x30, 0x80}, base.Raw[4:], []byte{0, 0}),
		"257 extensions":             forged{extensions: many(257)}.der(),
	} {
		if _, err := certificate.Parse(der); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := certificate.Parse(forged{extensions: many(256)}.der()); err != nil {
		t.Errorf("256 extensions: %v", err)
	}
}

func many(n int) (out [][]byte) {
	for i := range n {
		out = append(out, extension(certificate.OID([]byte{0x2a, 0x81 + byte(i>>7), byte(i & 0x7f)}), false, nil))
	}
	return out
}

// TestTolerated: forms that RFC 5280 does not have and nothing depends on.
func TestTolerated(t *testing.T) {
	ca := func(value []byte) [][]byte { return [][]byte{extension(certificate.OIDBasicConstraints, true, value)} }
	for name, f := range map[string]forged{
		"version 1 with extensions": {version: constructed(0, []byte{2, 1, 0}), extensions: ca(sequence([]byte{1, 1, 0xff}))},
		"version 4":                 {version: constructed(0, []byte{2, 1, 3}), extensions: ca(sequence([]byte{1, 1, 0xff}))},
		"version -1":                {version: constructed(0, []byte{2, 1, 0xff}), extensions: ca(sequence([]byte{1, 1, 0xff}))},
		"TRUE that is 1":            {extensions: ca(sequence([]byte{1, 1, 1}))},
		"critical that is 1":        {extensions: [][]byte{sequence(oid(certificate.OIDBasicConstraints), []byte{1, 1, 1}, element(asn1.OCTET_STRING, sequence([]byte{1, 1, 0xff})))}},
		"an extension of a long OID": {extensions: append(ca(sequence([]byte{1, 1, 0xff})),
			extension(certificate.OID(slices.Concat([]byte{0x2a}, bytes.Repeat([]byte{0xff}, 100), []byte{0x7f})), false, nil))},
	} {
		c, err := certificate.Parse(f.der())
		if err != nil || !c.IsCA || !c.Extensions[0].Critical {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	for bytesOf, want := range map[string]int{"\x00": 0, "\x7f": 127, "\x00\x80": 128, "\x7f\xff\xff\xff": 1<<31 - 1, "\x7f\xff\xff\xff\xff\xff\xff\xff\xff": 1<<31 - 1} {
		c, err := certificate.Parse(forged{extensions: ca(sequence([]byte{1, 1, 0xff}, element(asn1.INTEGER, []byte(bytesOf))))}.der())
		if err != nil || c.MaxPathLen != want {
			t.Errorf("path length % x: %+v, %v", bytesOf, c, err)
		}
	}
	if _, err := certificate.Parse(forged{extensions: ca(sequence([]byte{1, 1, 0xff}, []byte{2, 1, 0xff}))}.der()); err == nil {
		t.Error("path length -1: no error")
	}
}

// TestTimes reads the forms of RFC 5280, section 4.1.2.5, and those that
// crypto/x509 reads besides.
func TestTimes(t *testing.T) {
	const generalized, utc = asn1.GeneralizedTime, asn1.UTCTime
	for _, c := range []struct {
		tag        asn1.Tag
		text, want string // empty: refused
	}{
		{utc, "260131235958Z", "2026-01-31T23:59:58Z"},
		{utc, "491231235959Z", "2049-12-31T23:59:59Z"},
		{utc, "500101000000Z", "1950-01-01T00:00:00Z"},
		{utc, "240229000000Z", "2024-02-29T00:00:00Z"},
		{utc, "2601312359Z", "2026-01-31T23:59:00Z"},
		{utc, "260131235958+0100", "2026-01-31T22:59:58Z"},
		{utc, "230229000000Z", ""},
		{utc, "261301000000Z", ""},
		{utc, "260100000000Z", ""},
		{utc, "260001000000Z", ""},
		{utc, "260101240000Z", ""},
		{utc, "260101006000Z", ""},
		{utc, "260101000060Z", ""},
		{utc, "260101000000", ""},
		{utc, "26010100000xZ", ""},
		{utc, "26010100000:Z", ""},
		{utc, "", ""},
		{generalized, "20500101000000Z", "2050-01-01T00:00:00Z"},
		{generalized, "20260101000000Z", "2026-01-01T00:00:00Z"},
		{generalized, "00010101000000Z", "0001-01-01T00:00:00Z"},
		{generalized, "99991231235959Z", "9999-12-31T23:59:59Z"},
		{generalized, "20260101000000+0100", "2025-12-31T23:00:00Z"},
		{generalized, "20260101000000.5Z", ""},
		{generalized, "202601010000Z", ""},
		{generalized, "20260101000000", ""},
	} {
		when := element(c.tag, []byte(c.text))
		cert, err := certificate.Parse(forged{validity: sequence(when, when)}.der())
		if (err == nil) != (c.want != "") {
			t.Errorf("%s: %v", c.text, err)
		} else if err == nil && (cert.NotBefore.UTC().Format(time.RFC3339) != c.want || !cert.NotAfter.Equal(cert.NotBefore)) {
			t.Errorf("%s: got %v and %v", c.text, cert.NotBefore, cert.NotAfter)
		}
	}
}

// TestUnsupportedKeys: the rest of the certificate is read, and the key named.
func TestUnsupportedKeys(t *testing.T) {
	key := func(algorithm, bits []byte) []byte {
		return sequence(algorithm, element(asn1.BIT_STRING, []byte{0}, bits))
	}
	mlDSA := sequence(oid("\x60\x86\x48\x01\x65\x03\x04\x03\x11"))
	secp256k1 := sequence(oid("\x2a\x86\x48\xce\x3d\x02\x01"), oid("\x2b\x81\x04\x00\x0a"))
	for want, spki := range map[signature.UnsupportedKey][]byte{
		"ML-DSA-44":          key(mlDSA, make([]byte, 1312)),
		"ECDSA on secp256k1": key(secp256k1, make([]byte, 65)),
	} {
		c, err := certificate.Parse(forged{key: spki}.der())
		if err != nil || c.PublicKey != want {
			t.Errorf("%s: %+v, %v", want, c, err)
		}
	}
}

package certificate_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certificate"
)

// TestMalformedIsNamed: the error of what cannot be read names the part.
func TestMalformedIsNamed(t *testing.T) {
	whole, _ := children(base.Raw)
	tbs, _ := children(whole[0])
	octets := []byte{4, 1, 1}
	with := func(field int, other []byte) []byte {
		var fields [][]byte
		for i := range tbs {
			fields = append(fields, tbs[i])
		}
		fields[field] = other
		return sequence(sequence(fields...), whole[1], whole[2])
	}
	ca := extension(certificate.OIDBasicConstraints, true, sequence([]byte{1, 1, 0xff}))
	basic := func(parts ...[]byte) []byte {
		return forged{extensions: [][]byte{extension(certificate.OIDBasicConstraints, false, sequence(parts...))}}.der()
	}
	usage := func(bits ...byte) []byte {
		return forged{extensions: [][]byte{extension(certificate.OIDKeyUsage, false, bits)}}.der()
	}
	for _, test := range []struct {
		name string
		der  []byte
		want string
	}{
		{"no SEQUENCE", octets, "malformed certificate"},
		{"two certificates", slices.Concat(base.Raw, base.Raw), "data after the certificate"},
		{"what is signed", sequence(octets, whole[1], whole[2]), "malformed certificate: what is signed"},
		{"algorithm outside", sequence(whole[0], octets, whole[2]), "malformed signature algorithm"},
		{"no signature", sequence(whole[0], whole[1]), "malformed signature"},
		{"something after the signature", sequence(whole[0], whole[1], whole[2], octets), "malformed signature"},
		{"version", forged{version: long(constructed(0, []byte{2, 1, 2}))}.der(), "malformed version"},
		{"two versions", forged{version: constructed(0, []byte{2, 1, 2}, []byte{2, 1, 2})}.der(), "malformed version"},
		{"serial number", with(1, octets), "malformed serial number"},
		{"algorithm inside", with(2, octets), "malformed signature algorithm"},
		{"issuer", with(3, octets), "malformed issuer"},
		{"validity", with(4, octets), "malformed validity"},
		{"notBefore", with(4, sequence(octets)), "malformed notBefore"},
		{"notAfter", with(4, sequence([]byte("\x17\x0d260131235958Z"), octets)), "malformed notAfter"},
		{"subject", with(5, octets), "malformed subject"},
		{"key", with(6, octets), "malformed public key"},
		{"no key in it", with(6, sequence(octets)), "malformed public key"},
		{"issuer's unique identifier", forged{last: long(context(1, []byte{0}))}.der(), "malformed unique identifier"},
		{"subject's unique identifier", forged{last: long(context(2, []byte{0}))}.der(), "malformed unique identifier"},
		{"extensions", forged{last: long(constructed(3, sequence(ca)))}.der(), "malformed extensions"},
		{"no SEQUENCE of extensions", forged{last: constructed(3, octets)}.der(), "malformed extensions"},
		{"two SEQUENCEs of extensions", forged{last: constructed(3, sequence(ca), sequence(ca))}.der(), "malformed extensions"},
		{"something after the extensions", forged{last: slices.Concat(constructed(3, sequence(ca)), octets)}.der(), "data after the extensions"},
		{"an extension", forged{extensions: [][]byte{octets}}.der(), "malformed extension"},
		{"an extension without OID", forged{extensions: [][]byte{sequence(octets, octets)}}.der(), "malformed extension"},
		{"critical in two octets", forged{extensions: [][]byte{sequence(oid(certificate.OIDKeyUsage), []byte{1, 2, 0xff, 0xff}, []byte{4, 4, 3, 2, 7, 0x80})}}.der(), "malformed extension"},
		{"an OID that begins with a padded arc", forged{extensions: [][]byte{extension("\x80\x04", false, nil)}}.der(), "malformed extension"},
		{"cA in two octets", basic([]byte{1, 2, 0xff, 0xff}), "malformed extension 2.5.29.19"},
		{"path length with a zero too many", basic([]byte{1, 1, 0xff}, []byte{2, 2, 0, 1}), "malformed extension 2.5.29.19"},
		{"path length of -128", basic([]byte{1, 1, 0xff}, []byte{2, 1, 0x80}), "malformed extension 2.5.29.19"},
		{"key usage of no octet", usage(3, 0), "malformed extension 2.5.29.15"},
		{"key usage with eight unused bits", usage(3, 2, 8, 0x80), "malformed extension 2.5.29.15"},
		{"key usage with unused bits of nothing", usage(3, 1, 1), "malformed extension 2.5.29.15"},
	} {
		if c, err := certificate.Parse(test.der); err == nil || err.Error() != test.want || c != nil {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
	if c, err := certificate.Parse(forged{version: constructed(0, []byte{2, 1, 0xff})}.der()); err != nil || c.Version != 0 {
		t.Errorf("version -1: %+v, %v", c, err)
	}
}

// TestFolding: case and white space of ASCII and of other text end where they end.
func TestFolding(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"A", "a", true}, {"Z", "z", true}, {"@", "`", false}, {"[", "{", false},
		{"éA", "éa", true}, {"éZ", "éz", true}, {"é@", "é`", false}, {"é[", "é{", false}, {"é1", "éQ", false},
		{"a\tb", "a b", true}, {"a\rb", "a b", true}, {"a\x08b", "a b", false}, {"a\x0eb", "a b", false},
		{"a bc", "a b c", false}, {" a b ", "a b", true}, {"é a", "é  a", true}, {"éa", "é a", false}, {"\u212a[", "k[", true},
	} {
		x, y := cn(asn1.UTF8String, test.a), cn(asn1.UTF8String, test.b)
		if got := certificate.Compare(x, y) == certificate.Certain; got != test.same {
			t.Errorf("%q and %q are the same: %v, want %v", test.a, test.b, got, test.same)
		}
	}
}

// TestSets: an RDN of several attributes is a set, whatever stands before and after it.
func TestSets(t *testing.T) {
	utf8 := func(id certificate.OID, value string) attribute { return attribute{id, asn1.UTF8String, value} }
	a, b, c, d := utf8(organisation, "a"), utf8(certificate.TypeCommonName, "b"), utf8(organisation, "c"), utf8(organisation, "d")
	for _, test := range []struct {
		name string
		x, y []byte
		same bool
	}{
		{"before another", name([]attribute{a, b}, []attribute{c}), name([]attribute{b, a}, []attribute{c}), true},
		{"after another", name([]attribute{c}, []attribute{a, b}), name([]attribute{c}, []attribute{b, a}), true},
		{"bounds of RDNs", name([]attribute{a, c}, []attribute{d}), name([]attribute{a}, []attribute{c, d}), false},
		{"other values", name([]attribute{a, b}), name([]attribute{c, b}), false},
		{"an empty RDN first", name(nil, []attribute{a, b}), name([]attribute{a, b}), true},
	} {
		if got := certificate.NameKey(test.x) == certificate.NameKey(test.y); got != test.same {
			t.Errorf("%s: share a key: %v, want %v", test.name, got, test.same)
		}
		if got := certificate.Compare(test.x, test.y) == certificate.Certain; got != test.same {
			t.Errorf("%s: compare as the same: %v, want %v", test.name, got, test.same)
		}
	}
	dn := func(rdns ...[]attribute) certificate.DN {
		d, ok := certificate.ParseDN(name(rdns...))
		if !ok {
			t.Fatal("no name")
		}
		return d
	}
	unclear := attribute{organisation, asn1.OCTET_STRING, "x"}
	for _, test := range []struct {
		name    string
		base, n certificate.DN
		want    bool
	}{
		{"itself", dn([]attribute{a}), dn([]attribute{a}), true},
		{"below it", dn([]attribute{a}), dn([]attribute{a}, []attribute{b}), true},
		{"above it", dn([]attribute{a}, []attribute{b}), dn([]attribute{a}), false},
		{"more in an RDN", dn([]attribute{a}), dn([]attribute{a, b}), true},
		{"less in an RDN", dn([]attribute{a, b}), dn([]attribute{a}), false},
		{"what is not text, of its type", dn([]attribute{a}), dn([]attribute{unclear}), true},
		{"what is not text, of another type", dn([]attribute{b}), dn([]attribute{unclear}), false},
	} {
		if got := test.base.Excludes(test.n); got != test.want {
			t.Errorf("%s: excluded %v, want %v", test.name, got, test.want)
		}
	}
	if attributes, ok := certificate.ParseName(name(nil, []attribute{a})); !ok || len(attributes) != 1 || attributes[0].RDN != 0 {
		t.Errorf("after an RDN of no attribute: %+v, %v", attributes, ok)
	}
	for tag, want := range map[asn1.Tag]string{asn1.UTF8String: "UTF8String", 25: "ASN.1 tag 25"} {
		if got := (certificate.Attribute{Tag: tag}).StringType(); got != want {
			t.Errorf("tag %d: %s, want %s", tag, got, want)
		}
	}
}

// TestOddGeneralNames: a value that does not fit its form is told as such, by the kind of
// its tag.
func TestOddGeneralNames(t *testing.T) {
	upn, another := oid("\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x03"), oid("\x2a\x03")
	text := []byte{12, 1, 'a'}
	for _, test := range []struct {
		name string
		der  []byte
		want certificate.GeneralName
	}{
		{"no context", element(asn1.OCTET_STRING, []byte("a")), certificate.GeneralName{Kind: certificate.Unknown, Undecodable: true}},
		{"a form that there is not", context(9, []byte("a")), certificate.GeneralName{Kind: certificate.Unknown, Undecodable: true}},
		{"dNSName in pieces", constructed(2, text), certificate.GeneralName{Kind: certificate.DNS, Undecodable: true}},
		{"UPN", constructed(0, upn, constructed(0, text)), certificate.GeneralName{Kind: certificate.UPN, Value: "a"}},
		{"UPN that is no text", constructed(0, upn, constructed(0, []byte{2, 1, 1})), certificate.GeneralName{Kind: certificate.UPN, Undecodable: true}},
		{"UPN of two values", constructed(0, upn, constructed(0, text, text)), certificate.GeneralName{Kind: certificate.OtherName, Undecodable: true}},
		{"UPN of no value", constructed(0, upn, constructed(0)), certificate.GeneralName{Kind: certificate.OtherName, Undecodable: true}},
		{"another", constructed(0, another, constructed(0, text)), certificate.GeneralName{Kind: certificate.OtherName}},
		{"another without a value", constructed(0, another), certificate.GeneralName{Kind: certificate.OtherName, Undecodable: true}},
		{"another with more", constructed(0, another, constructed(0, text), text), certificate.GeneralName{Kind: certificate.OtherName, Undecodable: true}},
		{"no type", constructed(0, constructed(0, text)), certificate.GeneralName{Kind: certificate.OtherName, Undecodable: true}},
	} {
		names, ok := certificate.ParseGeneralNames(test.der)
		if !ok || len(names) != 1 || names[0].Kind != test.want.Kind || names[0].Value != test.want.Value || names[0].Undecodable != test.want.Undecodable {
			t.Errorf("%s: got %+v, %v, want %+v", test.name, names, ok, test.want)
		}
	}
}

// TestOddAuthorityInfo: an access description that cannot be read is left out, with all
// after it where it has no end.
func TestOddAuthorityInfo(t *testing.T) {
	at := func(url string, more ...[]byte) []byte {
		return sequence(slices.Concat(oid(certificate.AccessOCSP), context(6, []byte(url)), slices.Concat(more...)))
	}
	for _, test := range []struct {
		name  string
		value []byte
		want  []string
	}{
		{"two", sequence(at("http://a/"), at("http://b/")), []string{"http://a/", "http://b/"}},
		{"of another method", sequence(sequence(oid(certificate.AccessCAIssuers), context(6, []byte("http://a/"))), at("http://b/")), []string{"http://b/"}},
		{"no URI", sequence(sequence(oid(certificate.AccessOCSP), context(2, []byte("a"))), at("http://b/")), []string{"http://b/"}},
		{"beyond ASCII", sequence(at("http://é/"), at("http://b/")), []string{"http://b/"}},
		{"two places", sequence(at("http://a/", context(6, []byte("http://c/"))), at("http://b/")), []string{"http://b/"}},
		{"no place", sequence(sequence(oid(certificate.AccessOCSP)), at("http://b/")), []string{"http://b/"}},
		{"no method", sequence(sequence(context(6, []byte("http://a/"))), at("http://b/")), []string{"http://b/"}},
		{"no end", sequence(at("http://a/"), long(at("http://b/")), at("http://c/")), []string{"http://a/"}},
	} {
		c, err := certificate.Parse(forged{extensions: [][]byte{extension(certificate.OIDAuthorityInfoAccess, false, test.value)}}.der())
		if err != nil {
			t.Fatal(err)
		}
		if got := c.AuthorityInfo(certificate.AccessOCSP); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestEqual(t *testing.T) {
	one, copied := read(t, base.Raw), read(t, bytes.Clone(base.Raw))
	other := read(t, forged{serial: []byte{2, 1, 99}}.der())
	var none *certificate.Certificate
	for _, test := range []struct {
		name string
		a, b *certificate.Certificate
		want bool
	}{
		{"itself", one, one, true}, {"a copy", one, copied, true}, {"another", one, other, false},
		{"none", one, none, false}, {"of none", none, one, false}, {"both none", none, none, true},
	} {
		if got := test.a.Equal(test.b); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
	if n := new(certificate.Certificate).SerialNumber(); n.Sign() != 0 {
		t.Errorf("serial number of no certificate: %v", n)
	}
	if got := certificate.OID("\x80").String(); got != "#80" {
		t.Errorf("an OID that has no dotted form is written %s", got)
	}
}

// TestDistributionPoints: what each field of a distribution point is read as.
func TestDistributionPoints(t *testing.T) {
	host := constructed(0, context(6, []byte("http://a/")))
	issuer := constructed(4, name())
	relative := sequence(oid(certificate.TypeCommonName), []byte{12, 1, 'a'})
	for _, test := range []struct {
		name  string
		value []byte
		want  string // of what it has one
		ok    bool
	}{
		{"a name", sequence(sequence(constructed(0, host))), "full", true},
		{"a relative name", sequence(sequence(constructed(0, constructed(1, relative)))), "relative", true},
		{"an issuer alone", sequence(sequence(constructed(2, issuer))), "issuer", true},
		{"a name, reasons and an issuer", sequence(sequence(constructed(0, host), context(1, []byte{6, 0x40}), constructed(2, issuer))), "full reasons issuer", true},
		{"reasons of no bit", sequence(sequence(constructed(0, host), context(1, []byte{0}))), "full reasons", true},
		{"none", sequence(), "", false},
		{"neither name nor issuer", sequence(sequence()), "", false},
		{"reasons alone", sequence(sequence(context(1, []byte{6, 0x40}))), "", false},
		{"an issuer of no name", sequence(sequence(constructed(0, host), constructed(2))), "", false},
		{"a name of no name", sequence(sequence(constructed(0, constructed(0)))), "", false},
		{"a relative name of no attribute", sequence(sequence(constructed(0, constructed(1)))), "", false},
		{"a relative name of no SEQUENCE", sequence(sequence(constructed(0, constructed(1, []byte{5, 0})))), "", false},
		{"a relative name with a padded OID", sequence(sequence(constructed(0, constructed(1, sequence(oid("\x55\x80\x04"), []byte{12, 1, 'a'}))))), "", false},
		{"reasons with eight unused bits", sequence(sequence(constructed(0, host), context(1, []byte{8, 0x40}))), "", false},
		{"reasons with unused bits of nothing", sequence(sequence(constructed(0, host), context(1, []byte{1}))), "", false},
		{"reasons of no octet", sequence(sequence(constructed(0, host), context(1))), "", false},
	} {
		points, ok := certificate.ParseDistributionPoints(test.value)
		var got []string
		if ok {
			for has, what := range map[string]bool{"full": points[0].Name.Full != nil, "relative": points[0].Name.Relative != nil, "issuer": points[0].CRLIssuer != nil, "reasons": points[0].Reasons != nil} {
				if what != strings.Contains(test.want, has) {
					got = append(got, has)
				}
			}
		}
		if ok != test.ok || got != nil {
			t.Errorf("%s: read %v, want %v, and %v is not as wanted (%s)", test.name, ok, test.ok, got, test.want)
		}
	}
	flags, ok := certificate.ParseReasonFlags([]byte{6, 0x40})
	if !ok || flags.BitLength != 2 || flags.At(1) != 1 || flags.At(0) != 0 {
		t.Errorf("reasons: %+v, %v", flags, ok)
	}
	if _, ok := certificate.ParseReasonFlags([]byte{7, 0x80}); !ok {
		t.Error("seven unused bits are refused")
	}
}

package certname_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/certname"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func context(tag int, compound bool, content []byte) []byte {
	der, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: compound, Bytes: content})
	if err != nil {
		panic(err)
	}
	return der
}

func sequence(parts ...[]byte) []byte {
	der, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: slices.Concat(parts...)})
	if err != nil {
		panic(err)
	}
	return der
}

func otherName(t testing.TB, oid asn1.ObjectIdentifier, value []byte) []byte {
	return context(0, true, slices.Concat(marshal(t, oid), context(0, true, value)))
}

var upn = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}

func client(value []byte, critical bool) *x509.Certificate {
	return pki.NewSelfSigned("client", pki.Extension(pkix.Extension{
		Id: certname.OIDSubjectAltName, Critical: critical, Value: value,
	})).Certificate
}

func TestSubjectAltNamesInOrder(t *testing.T) {
	dn := rdnSequence(t, []attr{{o, utf8String, "Kong"}}, []attr{{cn, utf8String, "c,d"}})
	cert := client(sequence(
		context(6, false, []byte("https://a.example/x,y")),
		context(7, false, []byte{192, 0, 2, 1}),
		otherName(t, upn, marshal(t, asn1.RawValue{Tag: utf8String, Bytes: []byte("u@corp")})),
		context(4, true, dn),
		context(2, false, []byte("a.example")),
		context(8, false, []byte{0x2a, 0x03}),
		context(3, true, nil),
		context(5, true, nil),
		otherName(t, asn1.ObjectIdentifier{1, 2, 3}, []byte{5, 0}),
		context(1, false, []byte("a@example.com")),
		context(7, false, append(make([]byte, 15), 1)),
	), true)
	names, present, err := certname.SubjectAltNames(cert)
	if err != nil || !present {
		t.Fatal(present, err)
	}
	var got []string
	for _, n := range names {
		if n.Undecodable {
			t.Errorf("%+v is marked", n)
		}
		got = append(got, n.Value)
	}
	want := []string{"https://a.example/x,y", "192.0.2.1", "u@corp", `CN=c\,d,O=Kong`, "a.example", "", "", "", "", "a@example.com", "::1"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	kinds := []certname.Kind{certname.URI, certname.IP, certname.UPN, certname.DirectoryName, certname.DNS, certname.RegisteredID,
		certname.X400Address, certname.EDIPartyName, certname.OtherName, certname.Email, certname.IP}
	for i, n := range names {
		if n.Kind != kinds[i] {
			t.Errorf("%q is of kind %d, want %d", n.Value, n.Kind, kinds[i])
		}
	}
	const header = `https://a.example/x\,y, 192.0.2.1, u@corp, CN=c\\\,d\,O=Kong, a.example, a@example.com, ::1`
	if joined := certname.Join(names); joined != header {
		t.Errorf("Join = %q, want %q", joined, header)
	}
}

func TestSubjectAltNamesKeepsWhatIsOdd(t *testing.T) {
	for _, test := range []struct {
		name  string
		value []byte
		kind  certname.Kind
	}{
		{"address of five octets", context(7, false, make([]byte, 5)), certname.IP},
		{"dNSName beyond ASCII", context(2, false, []byte("a\xff")), certname.DNS},
		{"constructed dNSName", context(2, true, nil), certname.Unknown},
		{"directoryName that is none", context(4, true, []byte{1}), certname.DirectoryName},
		{"otherName without a type", context(0, true, nil), certname.OtherName},
		{"UPN that is no UTF8String", otherName(t, upn, []byte{5, 0}), certname.OtherName},
		{"UPN of invalid UTF-8", otherName(t, upn, []byte{utf8String, 1, 0xff}), certname.UPN},
		{"registeredID without arcs", context(8, false, nil), certname.RegisteredID},
		{"tag of no form", context(9, false, []byte("x")), certname.Unknown},
		{"tag of another class", []byte{0x0c, 1, 'a'}, certname.Unknown},
	} {
		names, err := certname.ParseGeneralNames(sequence(test.value, context(2, false, []byte("ok"))))
		if err != nil || len(names) != 2 {
			t.Errorf("%s: %v, %v", test.name, names, err)
			continue
		}
		if names[0].Kind != test.kind || !names[0].Undecodable {
			t.Errorf("%s: got %+v", test.name, names[0])
		}
		if names[1].Value != "ok" || names[1].Undecodable {
			t.Errorf("%s: the next is %+v", test.name, names[1])
		}
	}
}

func TestSubjectAltNamesPresence(t *testing.T) {
	if names, present, err := certname.SubjectAltNames(pki.NewSelfSigned("c").Certificate); names != nil || present || err != nil {
		t.Errorf("without: %v, %v, %v", names, present, err)
	}
	if names, present, err := certname.SubjectAltNames(client(sequence(), false)); names != nil || !present || err != nil {
		t.Errorf("empty: %v, %v, %v", names, present, err)
	}
	// crypto/x509 does not look at what follows the list.
	broken := client(append(sequence(context(2, false, []byte("a"))), 0), false)
	if names, present, err := certname.SubjectAltNames(broken); names != nil || !present || err == nil {
		t.Errorf("trailing byte: %v, %v, %v", names, present, err)
	}
	twice := *client(sequence(context(2, false, []byte("a"))), false)
	twice.Extensions = append(slices.Clone(twice.Extensions), twice.Extensions...)
	if names, _, err := certname.SubjectAltNames(&twice); names != nil || err == nil {
		t.Errorf("duplicate: %v, %v", names, err)
	}
}

func TestJoin(t *testing.T) {
	dns := func(values ...string) (names []certname.Name) {
		for _, v := range values {
			names = append(names, certname.Name{Kind: certname.DNS, Value: v})
		}
		return names
	}
	for _, test := range []struct {
		names []certname.Name
		want  string
	}{
		{nil, ""},
		{dns("a"), "a"},
		{dns("a", "b"), "a, b"},
		{dns("a, b"), `a\, b`},
		{dns(`a\`, "b"), `a\\, b`},
		{dns("a\r\nb"), `a\0D\0Ab`},
		{dns("a\u0085\x7f"), `a\C2\85\7F`},
		{dns("a\xff"), `a\FF`},
		{dns("\ufffd"), "\ufffd"},
		{dns("", "a", ""), "a"},
		{dns(" alice"), `\20alice`},
		{dns("alice "), `alice\20`},
		{dns("  a  b  "), `\20\20a  b\20\20`},
		{dns(" "), `\20`},
		{dns("a", " b"), `a, \20b`},
		{dns(", "), `\,\20`},
		{[]certname.Name{{Kind: certname.RegisteredID, Value: "1.2"}, {Kind: certname.OtherName}}, ""},
	} {
		if got := certname.Join(test.names); got != test.want {
			t.Errorf("Join(%+v) = %q, want %q", test.names, got, test.want)
		}
	}
}

func FuzzJoinIsInjective(f *testing.F) {
	f.Add("a, b", "a\x00b")
	f.Add(`a\`+"\x00b", `a\, b`)
	f.Add("a\xff", `a\FF`)
	f.Add(" a\x00b", "a \x00 b")
	f.Add("a,  b", "a,\x00 b")
	f.Fuzz(func(t *testing.T, first, second string) {
		// Lists are written with NUL between the values; empty ones do not count.
		split := func(s string) (names []certname.Name, values []string) {
			for value := range strings.SplitSeq(s, "\x00") {
				if value != "" {
					names, values = append(names, certname.Name{Kind: certname.URI, Value: value}), append(values, value)
				}
			}
			return names, values
		}
		one, values1 := split(first)
		two, values2 := split(second)
		joined := certname.Join(one)
		if strings.ContainsFunc(joined, isControl) {
			t.Fatalf("control character in %q", joined)
		}
		if (joined == certname.Join(two)) != slices.Equal(values1, values2) {
			t.Fatalf("%q and %q: %q", values1, values2, joined)
		}
		// HTTP trims field values, and readers trim what they split.
		if (slices.Equal(received(joined), received(certname.Join(two)))) != slices.Equal(values1, values2) {
			t.Fatalf("%q and %q arrive as %q", values1, values2, received(joined))
		}
		if joined != strings.Trim(joined, " ") {
			t.Fatalf("%q has a space at an end", joined)
		}
	})
}

// received is what a reader makes of a joined list: it is trimmed, split at the
// commas without a backslash before them, and each part is trimmed again.
func received(joined string) (values []string) {
	joined = strings.Trim(joined, " \t")
	start := 0
	for i := 0; i < len(joined); i++ {
		switch joined[i] {
		case '\\':
			i++
		case ',':
			values = append(values, strings.Trim(joined[start:i], " \t"))
			start = i + 1
		}
	}
	return append(values, strings.Trim(joined[start:], " \t"))
}

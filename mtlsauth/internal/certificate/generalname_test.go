package certificate_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certificate"
)

func otherName(id certificate.OID, value []byte) []byte {
	return constructed(0, oid(id), constructed(0, value))
}

const upn = certificate.OID("\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x03")

// withSAN is a certificate with this extension.
func withSAN(t testing.TB, value []byte) *certificate.Certificate {
	t.Helper()
	return read(t, forged{extensions: [][]byte{extension(certificate.OIDSubjectAltName, false, value)}}.der())
}

func TestSubjectAltNamesInOrder(t *testing.T) {
	dn := name([]attribute{{organisation, asn1.UTF8String, "Kong"}}, []attribute{{certificate.TypeCommonName, asn1.UTF8String, "c,d"}})
	cert := withSAN(t, sequence(
		context(6, []byte("https://a.example/x,y")),
		context(7, []byte{192, 0, 2, 1}),
		otherName(upn, element(asn1.UTF8String, []byte("u@corp"))),
		constructed(4, dn),
		context(2, []byte("a.example")),
		context(8, []byte{0x2a, 0x03}),
		constructed(3),
		constructed(5),
		otherName("\x2a\x03", []byte{5, 0}),
		context(1, []byte("a@example.com")),
		context(7, append(make([]byte, 15), 1)),
	))
	names, present, err := cert.SubjectAltNames()
	if err != nil || !present {
		t.Fatal(present, err)
	}
	var got []string
	for _, n := range names {
		if n.Undecodable {
			t.Errorf("%+v is undecodable", n)
		}
		got = append(got, n.Value)
	}
	want := []string{"https://a.example/x,y", "192.0.2.1", "u@corp", `CN=c\,d,O=Kong`, "a.example", "", "", "", "", "a@example.com", "::1"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	kinds := []certificate.Kind{certificate.URI, certificate.IP, certificate.UPN, certificate.DirectoryName, certificate.DNS, certificate.RegisteredID,
		certificate.X400Address, certificate.EDIPartyName, certificate.OtherName, certificate.Email, certificate.IP}
	for i, n := range names {
		if n.Kind != kinds[i] {
			t.Errorf("%q is of kind %d, want %d", n.Value, n.Kind, kinds[i])
		}
	}
	const header = `https://a.example/x\,y, 192.0.2.1, u@corp, CN=c\\\,d\,O=Kong, a.example, a@example.com, ::1`
	if joined := certificate.Join(names); joined != header {
		t.Errorf("Join = %q, want %q", joined, header)
	}
}

func TestSubjectAltNamesKeepsWhatIsOdd(t *testing.T) {
	for _, test := range []struct {
		name  string
		value []byte
		kind  certificate.Kind
	}{
		{"address of five octets", context(7, make([]byte, 5)), certificate.IP},
		{"dNSName beyond ASCII", context(2, []byte("a\xff")), certificate.DNS},
		{"constructed dNSName", constructed(2), certificate.DNS},
		{"directoryName that is not a name", constructed(4, []byte{1}), certificate.DirectoryName},
		{"otherName without a type", constructed(0), certificate.OtherName},
		{"UPN that is not a string", otherName(upn, []byte{5, 0}), certificate.UPN},
		{"UPN and something after", otherName(upn, slices.Concat(element(asn1.UTF8String, []byte("u")), []byte{5, 0})), certificate.OtherName},
		{"UPN of invalid UTF-8", otherName(upn, element(asn1.UTF8String, []byte{0xff})), certificate.UPN},
		{"registeredID without arcs", context(8), certificate.RegisteredID},
		{"tag of no form", context(9, []byte("x")), certificate.Unknown},
		{"tag of another class", []byte{0x0c, 1, 'a'}, certificate.Unknown},
	} {
		names, ok := certificate.ParseGeneralNames(slices.Concat(test.value, context(2, []byte("ok"))))
		if !ok || len(names) != 2 {
			t.Errorf("%s: %v, %v", test.name, names, ok)
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
	if names, present, err := read(t, forged{}.der()).SubjectAltNames(); names != nil || present || err != nil {
		t.Errorf("without: %v, %v, %v", names, present, err)
	}
	if names, present, err := withSAN(t, sequence()).SubjectAltNames(); names != nil || !present || err != nil {
		t.Errorf("empty: %v, %v, %v", names, present, err)
	}
	for name, value := range map[string][]byte{
		"trailing byte": append(sequence(context(2, []byte("a"))), 0),
		"cut":           sequence(context(2, []byte("a")), []byte{0x82, 9}),
		"no list":       context(2, []byte("a")),
	} {
		if names, present, err := withSAN(t, value).SubjectAltNames(); names != nil || !present || err == nil {
			t.Errorf("%s: %v, %v, %v", name, names, present, err)
		}
	}
}

func TestJoin(t *testing.T) {
	dns := func(values ...string) (names []certificate.GeneralName) {
		for _, v := range values {
			names = append(names, certificate.GeneralName{Kind: certificate.DNS, Value: v})
		}
		return names
	}
	for _, test := range []struct {
		names []certificate.GeneralName
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
		{[]certificate.GeneralName{{Kind: certificate.RegisteredID, Value: "1.2"}, {Kind: certificate.OtherName}}, ""},
	} {
		if got := certificate.Join(test.names); got != test.want {
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
		split := func(s string) (names []certificate.GeneralName, values []string) {
			for value := range strings.SplitSeq(s, "\x00") {
				if value != "" {
					names, values = append(names, certificate.GeneralName{Kind: certificate.URI, Value: value}), append(values, value)
				}
			}
			return names, values
		}
		one, values1 := split(first)
		two, values2 := split(second)
		joined := certificate.Join(one)
		if strings.ContainsFunc(joined, isControl) {
			t.Fatalf("control character in %q", joined)
		}
		if (joined == certificate.Join(two)) != slices.Equal(values1, values2) {
			t.Fatalf("%q and %q: %q", values1, values2, joined)
		}
		// HTTP trims field values, and readers trim what they split.
		if (slices.Equal(received(joined), received(certificate.Join(two)))) != slices.Equal(values1, values2) {
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

// TestLongOID: writing an arc as a decimal number is quadratic in its length, so
// beyond 64 bytes an OID is written in hex.
func TestLongOID(t *testing.T) {
	for size, want := range map[int]string{1: "2.47", 64: "2.", 65: "#ff", 46000: "#ff"} {
		id := certificate.OID(append(bytes.Repeat([]byte{0xff}, size-1), 0x7f))
		if got := id.String(); !strings.HasPrefix(got, want) || len(got) > 150 {
			t.Errorf("%d bytes: %s", size, got)
		}
		names, ok := certificate.ParseGeneralNames(slices.Concat(context(8, []byte(id)), otherName(id, []byte{5, 0}), constructed(4, name([]attribute{{id, asn1.UTF8String, "a"}}))))
		if !ok || len(names) != 3 || slices.ContainsFunc(names, func(n certificate.GeneralName) bool { return n.Undecodable }) {
			t.Errorf("%d bytes: %v", size, ok)
		}
	}
	// Without arcs, padded, or cut off.
	for _, id := range []certificate.OID{"", "\x80", "\x2a\x80\x01", "\x2a\x83"} {
		for _, value := range [][]byte{context(8, []byte(id)), otherName(id, []byte{5, 0}), constructed(4, name([]attribute{{id, asn1.UTF8String, "a"}}))} {
			if names, ok := certificate.ParseGeneralNames(value); !ok || len(names) != 1 || !names[0].Undecodable {
				t.Errorf("%x: %+v, %v", id, names, ok)
			}
		}
	}
}

package consumer_test

import (
	"crypto/x509/pkix"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func TestSubjectNames(t *testing.T) {
	person := dirName(attribute(oidO, tagPrintable, "Example"), attribute(oidCN, tagUTF8, "Jürgen"), attribute(oidUID, tagIA5, "jdoe"))
	all := san(
		upn("u@corp.example"),
		generalName(6, "spiffe://example/ns/a"),
		generalName(2, "b.example"),
		person,
		generalName(7, "\xc0\x00\x02\x01"),
		generalName(7, "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"),
		generalName(1, "a@example"),
	)
	confined := func(kinds ...certificate.Kind) func(certificate.Kind) bool {
		return func(k certificate.Kind) bool { return slices.Contains(kinds, k) }
	}
	for _, test := range []struct {
		what    string
		cert    *certificate.Certificate
		options consumer.NameOptions
		want    []string
	}{
		{"every kind, in the order of the certificate", withSAN(all, "cn"), consumer.NameOptions{},
			[]string{"u@corp.example", "spiffe://example/ns/a", "b.example", "Example", "Jürgen", "jdoe", "192.0.2.1", "2001:db8::1", "a@example"}},
		{"no extension: the CN", withSubject("cn"), consumer.NameOptions{}, []string{"cn"}},
		{"two CNs are none", withSubject("a", "b"), consumer.NameOptions{}, nil},
		{"two equal CNs are none", withSubject("a", "a"), consumer.NameOptions{}, nil},
		{"an empty subject", withSubject(), consumer.NameOptions{}, nil},
		{"an empty CN", withSubject(""), consumer.NameOptions{}, nil},
		{"a CN with a control character", withSubject("a\nb"), consumer.NameOptions{}, nil},
		{"a CN that is not text", &certificate.Certificate{RawSubject: san(tlv(0x31, attribute(oidCN, tagT61, "\xe4")))}, consumer.NameOptions{}, nil},
		{"a CN that is no text beside one that is", &certificate.Certificate{RawSubject: san(tlv(0x31, attribute(oidCN, tagT61, "\xe4")), tlv(0x31, attribute(oidCN, tagUTF8, "a")))}, consumer.NameOptions{}, nil},
		{"SAN present: no CN", withSAN(san(generalName(2, "a.example")), "cn"), consumer.NameOptions{}, []string{"a.example"}},
		{"an empty SAN is one: no CN", withSAN(san(), "cn"), consumer.NameOptions{}, nil},
		{"a SAN of kinds without a name: no CN", withSAN(san(tlv(0x88, []byte{42, 3}), otherName(oidCN, tlv(tagUTF8, []byte("x"))), tlv(0xa5, tlv(0xa1, tlv(tagUTF8, []byte("edi"))))), "cn"), consumer.NameOptions{}, nil},
		{"SAN with an empty subject", withSAN(san(generalName(2, "a.example"))), consumer.NameOptions{}, []string{"a.example"}},
		{"no names: empty, control characters, DEL, C1, broken UTF-8, beyond ASCII, odd address", withSAN(san(
			generalName(2, ""), generalName(2, "a\x00b"), generalName(1, "a\x7f@b"), upn("a\u0085b"), upn("\xff"), generalName(2, "\xc3\xa4"),
			generalName(7, "\x01\x02\x03"), otherName(oidUPN, tlv(tagIA5, []byte("ia5"))), tlv(0xa4, []byte{0x30, 1}), generalName(2, "good"))), consumer.NameOptions{}, []string{"ia5", "good"}},
		{"each name once", withSAN(san(generalName(2, "a"), generalName(1, "a"), generalName(2, "b"), generalName(2, "a"))), consumer.NameOptions{}, []string{"a", "b"}},
		{"case and blanks are kept", withSAN(san(generalName(2, "A.Example"), generalName(2, "a.example"), generalName(2, " a.example"))), consumer.NameOptions{}, []string{"A.Example", "a.example", " a.example"}},
		{"a directoryName attribute that is no text", withSAN(san(dirName(attribute(oidCN, tagT61, "\xe4"), attribute(oidCN, tagBMP, "\x00a\x26\x3a")))), consumer.NameOptions{}, []string{"a☺"}},
		{"multi-valued RDN", withSAN(san(tlv(0xa4, tlv(0x30, tlv(0x31, attribute(oidCN, tagUTF8, "a"), attribute(oidO, tagUTF8, "o")))))), consumer.NameOptions{}, []string{"a", "o"}},
		{"matcher CN", withSAN(san(person)), consumer.NameOptions{DirNames: consumer.NewDirNameMatcher([]string{"CN"})}, []string{"Jürgen"}},
		{"matcher commonName", withSAN(san(person)), consumer.NameOptions{DirNames: consumer.NewDirNameMatcher([]string{"commonName"})}, []string{"Jürgen"}},
		{"matcher 2.5.4.3", withSAN(san(person)), consumer.NameOptions{DirNames: consumer.NewDirNameMatcher([]string{"2.5.4.3"})}, []string{"Jürgen"}},
		{"matcher cn is unknown", withSAN(san(person)), consumer.NameOptions{DirNames: consumer.NewDirNameMatcher([]string{"cn"})}, nil},
		{"matcher empty string", withSAN(san(person)), consumer.NameOptions{DirNames: consumer.NewDirNameMatcher([]string{""})}, nil},
		{"matcher [] takes all", withSAN(san(person)), consumer.NameOptions{DirNames: consumer.NewDirNameMatcher([]string{})}, []string{"Example", "Jürgen", "jdoe"}},
		{"matcher of two keeps the certificate's order", withSAN(san(person)), consumer.NameOptions{DirNames: consumer.NewDirNameMatcher([]string{"UID", "O", "nonsense"})}, []string{"Example", "jdoe"}},
		{"matcher is for directoryName alone", withSAN(all), consumer.NameOptions{DirNames: consumer.NewDirNameMatcher([]string{"nonsense"})},
			[]string{"u@corp.example", "spiffe://example/ns/a", "b.example", "192.0.2.1", "2001:db8::1", "a@example"}},
		{"the zero matcher takes none", withSAN(san(person)), consumer.NameOptions{DirNames: &consumer.DirNameMatcher{}}, nil},
		{"name constraints for DNS and IP", withSAN(all, "cn"), consumer.NameOptions{Believed: confined(certificate.DNS, certificate.IP)}, []string{"b.example", "192.0.2.1", "2001:db8::1"}},
		{"name constraints for directoryName", withSAN(all, "cn"), consumer.NameOptions{Believed: confined(certificate.DirectoryName)}, []string{"Example", "Jürgen", "jdoe"}},
		{"name constraints and no SAN: no CN", withSubject("cn"), consumer.NameOptions{Believed: confined(certificate.DNS, certificate.DirectoryName)}, nil},
	} {
		t.Run(test.what, func(t *testing.T) {
			names, err := consumer.SubjectNames(test.cert, test.options)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(names.Values, test.want) || names.More {
				t.Errorf("got %q %v, want %q", names.Values, names.More, test.want)
			}
		})
	}
}

// TestNamesLeftOut: the log says of what looks like a name why it is none.
func TestNamesLeftOut(t *testing.T) {
	latin1 := &certificate.Certificate{RawSubject: san(tlv(0x31, attribute(oidCN, tagT61, "M\xfcller")))}
	for _, test := range []struct {
		what    string
		cert    *certificate.Certificate
		options consumer.NameOptions
		want    string
	}{
		{"nothing", withSubject("cn"), consumer.NameOptions{}, ""},
		{"no CN", withSubject(), consumer.NameOptions{}, ""},
		{"Latin-1 in a T61String", latin1, consumer.NameOptions{}, "CN: not text of a string type that can be read (T61String)"},
		{"two CNs", withSubject("a", "b"), consumer.NameOptions{}, "CN: there are 2"},
		{"an empty CN", withSubject(""), consumer.NameOptions{}, "CN: empty"},
		{"a control character", withSubject("a\nb"), consumer.NameOptions{}, "CN: it has a control character"},
		{"name constraints", withSubject("cn"), consumer.NameOptions{Believed: func(certificate.Kind) bool { return true }}, "CN: the path has name constraints"},
		{"SAN values", withSAN(san(generalName(2, "\xc3\xa4"), generalName(2, "a"), generalName(7, "\x01")), "cn"), consumer.NameOptions{}, "subject alternative names that cannot be read: 2"},
	} {
		if names, err := consumer.SubjectNames(test.cert, test.options); err != nil || names.LeftOut != test.want {
			t.Errorf("%s: got %q, %v, want %q", test.what, names.LeftOut, err, test.want)
		}
	}
}

func TestSubjectNamesOfABrokenExtension(t *testing.T) {
	good := generalName(2, "a.example")
	for what, cert := range map[string]*certificate.Certificate{
		"empty":          withSAN(nil, "cn"),
		"no list":        withSAN(good, "cn"),
		"trailing bytes": withSAN(append(san(good), 0), "cn"),
		"cut off":        withSAN(san(good, []byte{0x82, 9, 'b'}), "cn"),
	} {
		names, err := consumer.SubjectNames(cert, consumer.NameOptions{})
		if err == nil || len(names.Values) > 0 || !names.More {
			t.Errorf("%s: got %q %v, %v", what, names.Values, names.More, err)
		}
	}
}

func TestSubjectNamesAreBounded(t *testing.T) {
	var some [][]byte
	for i := range consumer.MaxNames {
		some = append(some, generalName(2, fmt.Sprintf("n%d", i)))
	}
	ignored := []([]byte){generalName(2, "n0"), generalName(2, ""), generalName(2, "a\x01"), tlv(0x88, []byte{42, 3})}
	var crowd [][]byte
	for range 500 {
		crowd = append(crowd, ignored...)
	}
	for _, test := range []struct {
		what string
		san  [][]byte
		more bool
	}{
		{"just as many", some, false},
		{"what is no name does not count", slices.Concat(crowd[1:], some, crowd), false},
		{"one more", slices.Concat(some, [][]byte{generalName(2, "x")}), true},
		{"a thousand more", slices.Concat(some, crowd, [][]byte{generalName(2, "x")}, crowd), true},
	} {
		names, err := consumer.SubjectNames(withSAN(san(test.san...)), consumer.NameOptions{})
		if err != nil || len(names.Values) != consumer.MaxNames || names.More != test.more {
			t.Errorf("%s: got %d names, more %v, %v", test.what, len(names.Values), names.More, err)
			continue
		}
		if names.Values[0] != "n0" || !slices.Contains(names.Values, "n63") {
			t.Errorf("%s: got %q", test.what, names.Values)
		}
	}
}

// A certificate as crypto/x509 makes it.
func TestSubjectNamesOfARealCertificate(t *testing.T) {
	leaf := root().Client("cn", pki.DNS("b.example", "a.example"), pki.Email("c@example"), pki.IP("192.0.2.7"), pki.URI("spiffe://x/y"))
	names, err := consumer.SubjectNames(leaf.Read(), consumer.NameOptions{})
	if want := []string{"b.example", "a.example", "c@example", "192.0.2.7", "spiffe://x/y"}; err != nil || !slices.Equal(names.Values, want) {
		t.Errorf("got %q, %v, want %q", names.Values, err, want)
	}
	only := root().Client("cn", pki.Extension(pkix.Extension{Id: oidSAN, Value: san(dirName(attribute(oidCN, tagUTF8, "dir")))}))
	names, err = consumer.SubjectNames(only.Read(), consumer.NameOptions{})
	if err != nil || !slices.Equal(names.Values, []string{"dir"}) {
		t.Errorf("only a directoryName: got %q, %v", names.Values, err)
	}
}

// testdata/openssl-objects.txt is what `openssl list -objects` (3.0) says of
// the arcs that distinguished names use.
func TestDirNameMatcherKnowsOpenSSLsNames(t *testing.T) {
	data, err := os.ReadFile("testdata/openssl-objects.txt")
	if err != nil {
		t.Fatal(err)
	}
	oids := make(map[string]string)
	for line := range strings.Lines(string(data)) {
		short, rest, _ := strings.Cut(strings.TrimSpace(line), " = ")
		long, oid, both := strings.Cut(rest, ", ")
		if !both {
			long, oid = short, long
		}
		oids[short], oids[long] = oid, oid
	}
	known := consumer.AttributeTypes()
	for name, oid := range known {
		if oids[name] != oid {
			t.Errorf("%s: got %s, OpenSSL has %q", name, oid, oids[name])
		}
	}
	for _, name := range strings.Fields("CN C L ST O OU street serialNumber title GN SN DC UID emailAddress postalCode name initials dnQualifier pseudonym mail unstructuredName organizationIdentifier businessCategory") {
		if known[name] == "" {
			t.Errorf("%s is missing", name)
		}
	}
	// With a name of two, the other.
	for name, oid := range oids {
		for other, o := range oids {
			if o == oid && known[name] != "" && known[other] != oid {
				t.Errorf("%s is known and %s is not", name, other)
			}
		}
	}
}

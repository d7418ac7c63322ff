package consumer_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/consumer"
)

// FuzzSubjectNames: whatever a SAN holds, every name is usable, once, one of at
// most MaxNames, and in the certificate's bytes; and all that crypto/x509 finds
// in it and that is usable is found.
func FuzzSubjectNames(f *testing.F) {
	f.Add(san(generalName(2, "a.example"), generalName(7, "\x7f\x00\x00\x01")), "cn")
	f.Add(san(generalName(1, "a@b"), generalName(6, "https://x/y")), "")
	f.Add(san(dirName(attribute(oidCN, tagUTF8, "a"), attribute(oidUID, tagBMP, "\x00a"))), "cn")
	f.Add(san(upn("u@x"), otherName(oidCN, []byte{5, 0})), "cn")
	f.Add([]byte{0x30, 0x84}, "cn")
	f.Fuzz(func(t *testing.T, value []byte, cn string) {
		cert := withSAN(value, cn)
		names, err := consumer.SubjectNames(cert, consumer.NameOptions{})
		if err != nil {
			if len(names.Values) > 0 || !names.More {
				t.Fatalf("an error and %q %v", names.Values, names.More)
			}
			return
		}
		seen := make(map[string]bool)
		for _, name := range names.Values {
			if name == "" || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) || seen[name] {
				t.Fatalf("%q is a name", name)
			}
			seen[name] = true
			if !occurs(value, name) {
				t.Fatalf("%q is not in the certificate", name)
			}
		}
		if len(names.Values) > consumer.MaxNames || names.More && len(names.Values) < consumer.MaxNames {
			t.Fatalf("%d names, more %v", len(names.Values), names.More)
		}
		for _, name := range found(t, value) {
			if !names.More && !seen[name] && name != "" && !strings.ContainsFunc(name, unicode.IsControl) {
				t.Fatalf("crypto/x509 finds %q, here is %q", name, names.Values)
			}
		}
		confined, err := consumer.SubjectNames(cert, consumer.NameOptions{Believed: func(certificate.Kind) bool { return false }})
		if err != nil || len(confined.Values) > 0 {
			t.Fatalf("nothing is believed: got %q, %v", confined.Values, err)
		}
	})
}

// occurs reports whether the name's text, the octets of its address or one of
// its wider encodings is in the bytes.
func occurs(value []byte, name string) bool {
	if bytes.Contains(value, []byte(name)) {
		return true
	}
	if address, err := netip.ParseAddr(name); err == nil && bytes.Contains(value, address.AsSlice()) {
		return true
	}
	var two, four []byte
	for _, r := range name {
		two = append(two, byte(r>>8), byte(r))
		four = append(four, 0, byte(r>>16), byte(r>>8), byte(r))
	}
	return bytes.Contains(value, two) || bytes.Contains(value, four)
}

// found returns the names that crypto/x509 finds in the extension, without
// those whose spelling it may change.
func found(t *testing.T, value []byte) []string {
	t.Helper()
	template := x509.Certificate{
		SerialNumber: root().SerialNumber, NotBefore: start, NotAfter: start,
		ExtraExtensions: []pkix.Extension{{Id: oidSAN, Value: value}},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, root().Certificate, root().Key.Public(), root().Key)
	if err != nil {
		return nil
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	names := slices.Concat(cert.DNSNames, cert.EmailAddresses)
	for _, ip := range cert.IPAddresses {
		if address, ok := netip.AddrFromSlice(ip); ok {
			names = append(names, address.String())
		}
	}
	for _, uri := range cert.URIs {
		if s := uri.String(); bytes.Contains(value, []byte(s)) {
			names = append(names, s)
		}
	}
	return names
}

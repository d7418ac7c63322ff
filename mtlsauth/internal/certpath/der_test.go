package certpath_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// Encoders for the extensions that crypto/x509 does not write.

func tlv(class, tag int, compound bool, content ...[]byte) []byte {
	der, err := asn1.Marshal(asn1.RawValue{Class: class, Tag: tag, IsCompound: compound, Bytes: slices.Concat(content...)})
	if err != nil {
		panic(err)
	}
	return der
}

func sequence(content ...[]byte) []byte {
	return tlv(asn1.ClassUniversal, asn1.TagSequence, true, content...)
}

func context(tag int, compound bool, content ...[]byte) []byte {
	return tlv(asn1.ClassContextSpecific, tag, compound, content...)
}

func dnsBase(s string) []byte   { return context(2, false, []byte(s)) }
func emailBase(s string) []byte { return context(1, false, []byte(s)) }
func uriBase(s string) []byte   { return context(6, false, []byte(s)) }
func ipBase(b ...byte) []byte   { return context(7, false, b) }

func otherName(value string) []byte {
	oid, err := asn1.Marshal(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3})
	if err != nil {
		panic(err)
	}
	return context(0, true, oid, context(0, true, tlv(0, asn1.TagUTF8String, false, []byte(value))))
}

var attributeOIDs = map[string]asn1.ObjectIdentifier{
	"CN": {2, 5, 4, 3}, "O": {2, 5, 4, 10}, "OU": {2, 5, 4, 11}, "C": {2, 5, 4, 6}, "E": {1, 2, 840, 113549, 1, 9, 1},
}

// rdnSequence encodes "C=US,O=a+OU=b" in that order; "O:19=a" sets the ASN.1
// string type, UTF8String otherwise.
func rdnSequence(t testing.TB, dn string) []byte {
	t.Helper()
	var rdns [][]byte
	for rdn := range strings.SplitSeq(dn, ",") {
		if rdn == "" {
			continue
		}
		var pairs [][]byte
		for pair := range strings.SplitSeq(rdn, "+") {
			kind, value, _ := strings.Cut(pair, "=")
			tag := asn1.TagUTF8String
			kind, typed, ok := strings.Cut(kind, ":")
			if ok {
				tag = map[string]int{"19": 19, "20": 20, "22": 22}[typed]
			}
			oid, err := asn1.Marshal(attributeOIDs[kind])
			if err != nil {
				t.Fatal(err)
			}
			pairs = append(pairs, sequence(oid, tlv(0, tag, false, []byte(value))))
		}
		rdns = append(rdns, tlv(0, asn1.TagSet, true, pairs...))
	}
	return sequence(rdns...)
}

func dnBase(t testing.TB, dn string) []byte { return context(4, true, rdnSequence(t, dn)) }

func permitted(bases ...[]byte) []byte { return subtrees(0, bases) }
func excluded(bases ...[]byte) []byte  { return subtrees(1, bases) }

func subtrees(tag int, bases [][]byte) []byte {
	var out [][]byte
	for _, base := range bases {
		out = append(out, sequence(base))
	}
	return context(tag, true, out...)
}

// constraints adds a name constraints extension made of permitted, excluded.
func constraints(t testing.TB, critical bool, parts ...[]byte) pki.Option {
	t.Helper()
	return pki.Extension(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 30}, Critical: critical, Value: sequence(parts...)})
}

// san adds a subject alternative name of encoded general names.
func san(critical bool, names ...[]byte) pki.Option {
	return pki.Extension(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: critical, Value: sequence(names...)})
}

func criticalDirName(t testing.TB, dn string) pki.Option { return san(true, dnBase(t, dn)) }

// subjectDN sets the subject as rdnSequence writes it.
func subjectDN(t testing.TB, dn string) pki.Option {
	t.Helper()
	raw := rdnSequence(t, dn)
	return pki.With(func(c *x509.Certificate) { c.RawSubject = raw })
}

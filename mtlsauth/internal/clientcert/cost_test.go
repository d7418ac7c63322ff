package clientcert_test

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"testing"

	"mtls-auth/mtlsauth/internal/clientcert"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func pemOf(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func tlv(class, tag int, compound bool, content ...[]byte) []byte {
	der, err := asn1.Marshal(asn1.RawValue{Class: class, Tag: tag, IsCompound: compound, Bytes: slices.Concat(content...)})
	if err != nil {
		panic(err)
	}
	return der
}

func sequence(content ...[]byte) []byte { return tlv(0, asn1.TagSequence, true, content...) }
func context(tag int, content ...[]byte) []byte {
	return tlv(asn1.ClassContextSpecific, tag, true, content...)
}

func extension(value []byte, id ...int) pkix.Extension {
	return pkix.Extension{Id: id, Value: value}
}

// withExtensions gives cert these extensions alone, and this subject if there
// is one; the signature no longer fits, which parsing does not ask.
func withExtensions(t testing.TB, cert *pki.Certificate, subject []byte, extensions ...pkix.Extension) []byte {
	t.Helper()
	var parts struct{ TBS, Algorithm, Signature asn1.RawValue }
	if _, err := asn1.Unmarshal(cert.Raw, &parts); err != nil {
		t.Fatal(err)
	}
	var tbs []byte
	for rest := parts.TBS.Bytes; len(rest) > 0; {
		var field asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &field); err != nil {
			t.Fatal(err)
		}
		switch {
		case field.Class == asn1.ClassContextSpecific && field.Tag == 3:
			list, err := asn1.Marshal(extensions)
			if err != nil {
				t.Fatal(err)
			}
			tbs = append(tbs, context(3, list)...)
		case subject != nil && bytes.Equal(field.FullBytes, cert.RawSubject):
			tbs = append(tbs, subject...)
		default:
			tbs = append(tbs, field.FullBytes...)
		}
	}
	return sequence(sequence(tbs), parts.Algorithm.FullBytes, parts.Signature.FullBytes)
}

// costly returns certificates of at most so many bytes of DER that are full of
// what parsing takes long for.
func costly(t testing.TB, size int) map[string][]byte {
	base := pki.NewCA("ca").Client("leaf")
	size -= len(base.Raw)
	fill := func(one []byte) []byte { return bytes.Repeat(one, size/len(one)) }
	san := func(one []byte) []byte {
		return withExtensions(t, base, nil, extension(sequence(fill(one)), 2, 5, 29, 17))
	}
	constrained := func(one []byte) []byte {
		return withExtensions(t, base, nil, extension(sequence(context(0, fill(sequence(one)))), 2, 5, 29, 30))
	}
	attribute := sequence([]byte{6, 1, 0x2a, 12, 0})
	var many []pkix.Extension
	for i := range size / 12 {
		many = append(many, extension(nil, 1, 2, 128+i))
	}
	// An otherName of broken DER that claims to hold what follows.
	hiding := slices.Concat(context(0, []byte{4, 0x82, 0x7f, 0xff}), fill([]byte{0x86, 0}))
	return map[string][]byte{
		"URIs":                san([]byte{0x86, 0}),
		"URIs of a host":      san([]byte("\x86\x06a://bc")),
		"DNS names":           san([]byte{0x82, 0}),
		"addresses":           san([]byte{0x87, 4, 1, 2, 3, 4}),
		"directory names":     san([]byte{0xa4, 2, 0x30, 0}),
		"behind a broken one": withExtensions(t, base, nil, extension(sequence(hiding), 2, 5, 29, 17)),
		"DNS constraints":     constrained([]byte("\x82\x03a.b")),
		"IP constraints":      constrained([]byte{0x87, 8, 1, 2, 3, 4, 255, 255, 255, 255}),
		"URI constraints":     constrained([]byte("\x86\x02.a")),
		"distribution points": withExtensions(t, base, nil, extension(sequence(fill(sequence(context(0, context(0, []byte{0x86, 0}))))), 2, 5, 29, 31)),
		"URIs of one point":   withExtensions(t, base, nil, extension(sequence(sequence(context(0, context(0, fill([]byte{0x86, 0}))))), 2, 5, 29, 31)),
		"access descriptions": withExtensions(t, base, nil, extension(sequence(fill(sequence([]byte{6, 1, 0x2a, 0x86, 0}))), 1, 3, 6, 1, 5, 5, 7, 1, 1)),
		"key usages":          withExtensions(t, base, nil, extension(sequence(fill([]byte{6, 1, 0x2a})), 2, 5, 29, 37)),
		"attributes":          withExtensions(t, base, sequence(fill(tlv(0, asn1.TagSet, true, attribute)))),
		"attributes in a set": withExtensions(t, base, sequence(tlv(0, asn1.TagSet, true, fill(attribute)))),
		"extensions":          withExtensions(t, base, nil, many...),
	}
}

func TestTooCostly(t *testing.T) {
	for name, der := range costly(t, 48000) {
		if got, err := parseLeaf(pemOf(der)); got != nil || !errors.Is(err, clientcert.ErrTooCostly) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Names that fit, and an extension that nobody looks into.
	var thousands [][]byte
	for i := range 3000 {
		thousands = append(thousands, tlv(asn1.ClassContextSpecific, 2, false, []byte(fmt.Sprintf("%d.a.org", i))))
	}
	base := pki.NewCA("ca").Client("leaf")
	for name, der := range map[string][]byte{
		"3000 names": withExtensions(t, base, nil, extension(sequence(thousands...), 2, 5, 29, 17)),
		"zeros":      withExtensions(t, base, nil, extension(make([]byte, 40000), 1, 2, 3)),
	} {
		if _, err := parseLeaf(pemOf(der)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNestingIsBounded: one element in the other, as deep as 48 KB go.
func TestNestingIsBounded(t *testing.T) {
	var der []byte
	for len(der) < 40000 {
		der = append([]byte{0x30, 0x83, byte(len(der) >> 16), byte(len(der) >> 8), byte(len(der))}, der...)
	}
	if _, err := parseLeaf(pemOf(der)); err == nil || errors.Is(err, clientcert.ErrTooCostly) {
		t.Error(err)
	}
}

// TestChainLeavesOutTheCostly: the bound is one for the whole chain, and what
// is left out does not count.
func TestChainLeavesOutTheCostly(t *testing.T) {
	root := pki.NewCA("root")
	leaf := root.Client("leaf")
	fat := func(name string, names int) string {
		value := sequence(bytes.Repeat([]byte{0x82, 1, 'a'}, names))
		return root.Intermediate(name, pki.Extension(pkix.Extension{Id: []int{2, 5, 29, 17}, Value: value})).PEM()
	}
	text := leaf.PEM() + fat("5000", 5000) + fat("2500", 2500) + fat("2501", 2501) + root.Intermediate("one").PEM()
	if got := names(parseChain(text, leaf.Certificate)); got != "2500 one" {
		t.Errorf("got %q", got)
	}
}

//go:build !race

package certificate_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/testing/cputime"
)

// TestCostOfReading bounds what a megabyte costs to read, whatever it is full of.
func TestCostOfReading(t *testing.T) {
	if testing.Short() {
		t.Skip("measures")
	}
	const size = 1 << 20
	fill := func(one []byte) []byte { return bytes.Repeat(one, size/len(one)) }
	with := func(id certificate.OID, value []byte) []byte {
		return forged{extensions: [][]byte{extension(id, true, value)}}.der()
	}
	long := make([]byte, size)
	var nested []byte
	for inside := size; inside > 0x10000; inside -= 5 {
		nested = append(nested, 0x30, 0x83, byte(inside>>16), byte(inside>>8), byte(inside))
	}
	nested = append(nested, make([]byte, 0x10000)...)
	pair := sequence(oid("\x2a"), []byte{12, 0})
	number := slices.Concat([]byte{1}, long)
	for name, der := range map[string][]byte{
		"zeros":               long,
		"nested":              nested,
		"serial number":       forged{serial: element(asn1.INTEGER, number)}.der(),
		"version":             forged{version: constructed(0, element(asn1.INTEGER, number))}.der(),
		"time":                forged{validity: sequence(element(asn1.UTCTime, long))}.der(),
		"attributes":          forged{subject: sequence(fill(element(asn1.SET, pair)))}.der(),
		"attributes in a set": forged{subject: sequence(element(asn1.SET, fill(pair)))}.der(),
		"a long name":         forged{subject: name([]attribute{{certificate.TypeCommonName, asn1.UTF8String, string(long)}})}.der(),
		"a long OID":          forged{subject: name([]attribute{{certificate.OID(number), asn1.UTF8String, ""}})}.der(),
		"RSA modulus":         forged{key: rsaKeyOf(number)}.der(),
		"RSA exponent":        forged{key: rsaKeyOf([]byte{3}, number)}.der(),
		"extensions":          forged{extensions: many(16383)}.der(),
		"purposes":            with(certificate.OIDExtKeyUsage, sequence(fill(oid("\x2a")))),
		"key usage":           with(certificate.OIDKeyUsage, element(asn1.BIT_STRING, []byte{0}, long)),
		"path length":         with(certificate.OIDBasicConstraints, sequence(element(asn1.INTEGER, number))),
		"names":               with(certificate.OIDSubjectAltName, sequence(fill(context(2)))),
		"constraints":         with(certificate.OIDNameConstraints, sequence(constructed(0, fill(sequence(context(2)))))),
		"policies":            with(certificate.OIDCertificatePolicies, sequence(fill(sequence(oid("\x2a"))))),
		"points":              with(certificate.OIDCRLDistributionPoints, sequence(fill(sequence()))),
	} {
		var err error
		took := cputime.Of(func() { _, err = certificate.Parse(der) })
		t.Logf("%s: %v, %v", name, took, err)
		if took > 10*time.Millisecond {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func rsaKeyOf(numbers ...[]byte) []byte {
	if len(numbers) == 1 {
		numbers = append(numbers, []byte{3})
	}
	key := sequence(element(asn1.INTEGER, numbers[0]), element(asn1.INTEGER, numbers[1]))
	return sequence(sequence(oid("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"), []byte{5, 0}), element(asn1.BIT_STRING, []byte{0}, key))
}

package certname_test

import (
	"bytes"
	"slices"
	"testing"

	"mtls-auth/mtlsauth/internal/certname"
)

// oidOf returns the content of an OID 2.x with one arc of so many bytes.
func oidOf(size int) []byte {
	return append(bytes.Repeat([]byte{0xff}, size-1), 0x7f)
}

// universalOf encodes content under a universal tag, as encoding/asn1 does not
// do for OIDs that it cannot hold.
func universalOf(tag byte, content []byte) []byte {
	der := context(0, false, content)
	der[0] = tag
	return der
}

// rdnOfType is an RDNSequence of one attribute of this type.
func rdnOfType(oid []byte) []byte {
	pair := sequence(universalOf(6, oid), []byte{utf8String, 1, 'a'})
	return sequence(universalOf(0x31, pair))
}

// TestLongOID: writing an arc as a decimal number is quadratic in its length,
// so beyond 64 bytes an OID is none.
func TestLongOID(t *testing.T) {
	null := context(0, true, []byte{5, 0})
	for _, test := range []struct {
		name string
		make func(oid []byte) []byte
		kind certname.Kind
	}{
		{"registeredID", func(oid []byte) []byte { return context(8, false, oid) }, certname.RegisteredID},
		{"otherName", func(oid []byte) []byte { return context(0, true, slices.Concat(universalOf(6, oid), null)) }, certname.OtherName},
		{"directoryName", func(oid []byte) []byte { return context(4, true, rdnOfType(oid)) }, certname.DirectoryName},
	} {
		for size, undecodable := range map[int]bool{1: false, 64: false, 65: true, 46000: true} {
			names, err := certname.ParseGeneralNames(sequence(test.make(oidOf(size))))
			if err != nil || len(names) != 1 || names[0].Kind != test.kind || names[0].Undecodable != undecodable {
				t.Errorf("%s of %d bytes: want undecodable %v, error %v", test.name, size, undecodable, err)
			}
		}
		// Without arcs, padded, or cut off.
		for _, oid := range [][]byte{nil, {0x80}, {0x2a, 0x80, 1}, {0x2a, 0x83}} {
			names, err := certname.ParseGeneralNames(sequence(test.make(oid)))
			if err != nil || len(names) != 1 || !names[0].Undecodable {
				t.Errorf("%s of %x: %+v, %v", test.name, oid, names, err)
			}
		}
	}
	if _, err := certname.ParseName(rdnOfType(oidOf(64))); err != nil {
		t.Error(err)
	}
	if attributes, err := certname.ParseName(rdnOfType(oidOf(65))); err == nil || attributes != nil {
		t.Errorf("65 bytes: %d attributes, %v", len(attributes), err)
	}
}

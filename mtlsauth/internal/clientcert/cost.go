package clientcert

import (
	"bytes"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// maxElements bounds the DER elements of the leaf and, apart from it, of the
// chain. What crypto/x509 spends on parsing goes by them: up to some 400 ns and
// 150 bytes of memory for one of two bytes, so 10 ms and 3.5 MiB for what fits
// into 64 KiB of PEM, and below 2 ms within the bound. A certificate in use has a hundred, and one more for each name in its
// subject alternative name: there is room for about 4,000.
const maxElements = 4096

// ErrTooCostly is what ParseLeaf's error wraps where the certificate was not
// parsed because that would take too long.
var ErrTooCostly = errors.New("certificate of too many elements")

// maxDepth is how deep elements are counted. crypto/x509 looks 14 deep: a name
// in name constraints.
const maxDepth = 20

// counter counts elements down.
type counter struct{ left int }

// fits counts the elements of der and reports whether there are no more than
// are left. It never counts less than crypto/x509 is going to read: inside of
// what is broken, it stops where any parser does.
func (c *counter) fits(der cryptobyte.String, depth int) bool {
	var id cryptobyte.String
	for !der.Empty() {
		var content cryptobyte.String
		var tag asn1.Tag
		if !der.ReadAnyASN1(&content, &tag) {
			return true
		}
		if c.left--; c.left < 0 {
			return false
		}
		const constructed = 0x20
		switch {
		case tag == asn1.OBJECT_IDENTIFIER:
			id = content
			continue
		case tag&constructed == 0 && (tag != asn1.OCTET_STRING || !isParsed(id)):
			continue
		}
		if depth < maxDepth && !c.fits(content, depth+1) {
			return false
		}
	}
	return true
}

// isParsed reports the extensions that crypto/x509 looks into: some of id-ce
// (2.5.29) and id-pe (1.3.6.1.5.5.7.1). Others may hold anything.
func isParsed(id []byte) bool {
	return bytes.HasPrefix(id, []byte("\x55\x1d")) || bytes.HasPrefix(id, []byte("\x2b\x06\x01\x05\x05\x07\x01"))
}

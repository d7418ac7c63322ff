package certificate_test

import (
	"bytes"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// element encodes one element.
func element(tag asn1.Tag, content ...[]byte) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(slices.Concat(content...)) })
	return b.BytesOrPanic()
}

func context(n uint8, content ...[]byte) []byte {
	return element(asn1.Tag(n).ContextSpecific(), content...)
}

func constructed(n uint8, content ...[]byte) []byte {
	return element(asn1.Tag(n).ContextSpecific().Constructed(), content...)
}

func oid(id certificate.OID) []byte { return element(asn1.OBJECT_IDENTIFIER, []byte(id)) }

// extension encodes an Extension.
func extension(id certificate.OID, critical bool, value []byte) []byte {
	var flag []byte
	if critical {
		flag = element(asn1.BOOLEAN, []byte{0xff})
	}
	return sequence(oid(id), flag, element(asn1.OCTET_STRING, value))
}

// forged is a certificate to be put together; its signature does not fit, which
// reading does not ask. What is nil is that of a good certificate.
type forged struct {
	version, serial, issuer, validity, subject, key []byte // elements
	extensions                                      [][]byte
	last                                            []byte // after the extensions
}

var base = pki.NewSelfSigned("base")

func (f forged) der() []byte {
	whole, _ := children(base.Raw)
	tbs, _ := children(whole[0])
	fields := [][]byte{f.version, f.serial, nil, f.issuer, f.validity, f.subject, f.key}
	for i := range fields {
		if fields[i] == nil {
			fields[i] = tbs[i]
		}
	}
	if f.extensions != nil {
		fields = append(fields, constructed(3, sequence(f.extensions...)))
	}
	return sequence(sequence(append(fields, f.last)...), whole[1], whole[2])
}

// long writes the length of an element in one octet more than it needs.
func long(der []byte) []byte {
	if der[1] < 0x80 {
		return slices.Insert(bytes.Clone(der), 1, 0x81)
	}
	out := slices.Insert(bytes.Clone(der), 2, 0)
	out[1]++
	return out
}

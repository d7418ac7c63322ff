package crl

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/address"
)

// maxNames bounds the general names of one distribution point, of one list or of one
// certificate issuer, since those of certificates are compared with those of lists. More
// than three are not seen in use.
const maxNames = 64

func context(n uint8) asn1.Tag     { return asn1.Tag(n).ContextSpecific() }
func constructed(n uint8) asn1.Tag { return context(n).Constructed() }

// The forms of a GeneralName that are told apart (RFC 5280, section 4.2.1.6).
var (
	tagDirectoryName = constructed(4)
	tagURI           = context(6)
)

// generalNames are GeneralName elements in DER, tags and all.
type generalNames [][]byte

// readGeneralNames reads the content of a GeneralNames SEQUENCE, which holds at
// least one.
func readGeneralNames(content cryptobyte.String) (generalNames, *Error) {
	var names generalNames
	for !content.Empty() {
		var element cryptobyte.String
		var tag asn1.Tag
		if !content.ReadAnyASN1Element(&element, &tag) || tag&0xc0 != 0x80 || tag&0x1f > 8 {
			return nil, refuse(Malformed, "malformed general name")
		}
		if tag == tagDirectoryName {
			if _, ok := directoryName(element); !ok {
				return nil, refuse(Malformed, "malformed directoryName")
			}
		}
		if len(names) == maxNames {
			return nil, refusef(TooLarge, "more than %d general names", maxNames)
		}
		names = append(names, bytes.Clone(element))
	}
	if len(names) == 0 {
		return nil, refuse(Malformed, "no general name")
	}
	return names, nil
}

// directoryName returns the Name in a GeneralName, and false where it is none.
// Its tag is explicit because Name is a CHOICE.
func directoryName(element []byte) (rawName []byte, ok bool) {
	input := cryptobyte.String(element)
	var content, name cryptobyte.String
	if !input.ReadASN1(&content, tagDirectoryName) || !content.ReadASN1Element(&name, asn1.SEQUENCE) || !content.Empty() || !certificate.IsName(name) {
		return nil, false
	}
	return name, true
}

// directoryNames returns the Names among the general names.
func (n generalNames) directoryNames() [][]byte {
	var names [][]byte
	for _, element := range n {
		if name, ok := directoryName(element); ok {
			names = append(names, name)
		}
	}
	return names
}

// overlap says whether a name is in both.
func (n generalNames) overlap(other generalNames) certificate.Match {
	match := certificate.Different
	for _, a := range n {
		for _, b := range other {
			if match = max(match, compare(a, b)); match == certificate.Certain {
				return match
			}
		}
	}
	return match
}

// compare compares general names: directory names by RFC 5280, section 7.1, URIs
// by their normal form, others byte for byte.
func compare(a, b []byte) certificate.Match {
	if bytes.Equal(a, b) {
		return certificate.Certain
	}
	x, isName := directoryName(a)
	y, bothNames := directoryName(b)
	if isName && bothNames {
		return certificate.Compare(x, y)
	}
	u, isURI := uri(a)
	v, bothURIs := uri(b)
	if isURI && bothURIs && address.Equal(u, v) {
		return certificate.Certain
	}
	return certificate.Different
}

func uri(element cryptobyte.String) (string, bool) {
	var uri cryptobyte.String
	ok := element.ReadASN1(&uri, tagURI)
	return string(uri), ok
}

func (n generalNames) size() int {
	size := 0
	for _, element := range n {
		size += len(element) + 24 // the slice's header
	}
	return size
}

// directoryNameOf returns the GeneralName of a Name.
func directoryNameOf(rawName []byte) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(tagDirectoryName, func(b *cryptobyte.Builder) { b.AddBytes(rawName) })
	return b.BytesOrPanic()
}

// resolve returns the names of a distribution point in full, nil where it has none; a
// relative one is put at the end of issuer, a DER Name.
func resolve(name certificate.DistributionPointName, issuer []byte) (generalNames, *Error) {
	switch {
	case name.Full != nil:
		return readGeneralNames(name.Full)
	case name.Relative == nil:
		return nil, nil
	case len(name.Relative) == 0:
		return nil, refuse(Malformed, "relative distribution point name without an attribute")
	}
	input := cryptobyte.String(issuer)
	var rdns cryptobyte.String
	if !input.ReadASN1(&rdns, asn1.SEQUENCE) || !input.Empty() {
		return nil, refuse(Malformed, "malformed issuer name")
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(rdns)
		b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(name.Relative) })
	})
	return generalNames{directoryNameOf(b.BytesOrPanic())}, nil
}

// uris returns the URIs as they are written.
func (n generalNames) uris() []string {
	var uris []string
	for _, element := range n {
		if uri, ok := uri(element); ok {
			uris = append(uris, uri)
		}
	}
	return uris
}

package certificate

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/signature"
)

// malformed is an error that names the part of a certificate that cannot be
// read.
func malformed(part string) error { return errors.New("malformed " + part) }

// maxExtensions bounds what is compared with each other to find an extension
// that comes twice. Certificates in use have up to 20.
const maxExtensions = 256

// Parse reads a certificate in DER, in time that is linear in its length. It
// keeps der, which must not change any more.
func Parse(der []byte) (*Certificate, error) {
	input := cryptobyte.String(der)
	c := &Certificate{Raw: der, MaxPathLen: -1}
	var outer cryptobyte.String
	if !input.ReadASN1(&outer, asn1.SEQUENCE) {
		return nil, malformed("certificate")
	}
	if !input.Empty() {
		return nil, errors.New("data after the certificate")
	}
	if !outer.ReadASN1Element((*cryptobyte.String)(&c.RawTBSCertificate), asn1.SEQUENCE) {
		return nil, malformed("certificate: what is signed")
	}
	if !outer.ReadASN1Element((*cryptobyte.String)(&c.RawSignatureAlgorithm), asn1.SEQUENCE) {
		return nil, malformed("signature algorithm")
	}
	if !outer.ReadASN1BitStringAsBytes(&c.Signature) || !outer.Empty() {
		return nil, malformed("signature")
	}
	if err := c.parseTBS(); err != nil {
		return nil, err
	}
	return c, nil
}

// parseTBS reads what is signed.
func (c *Certificate) parseTBS() error {
	tbs, _ := only(c.RawTBSCertificate, asn1.SEQUENCE)
	var ok bool
	if c.Version, ok = readVersion(&tbs); !ok {
		return malformed("version")
	}
	if c.Serial, ok = readInteger(&tbs, asn1.INTEGER); !ok {
		return malformed("serial number")
	}
	if !tbs.ReadASN1Element((*cryptobyte.String)(&c.signedAlgorithm), asn1.SEQUENCE) {
		return malformed("signature algorithm")
	}
	if c.RawIssuer, ok = readName(&tbs); !ok {
		return malformed("issuer")
	}
	var validity cryptobyte.String
	if !tbs.ReadASN1(&validity, asn1.SEQUENCE) {
		return malformed("validity")
	}
	if c.NotBefore, ok = readTime(&validity); !ok {
		return malformed("notBefore")
	}
	if c.NotAfter, ok = readTime(&validity); !ok || !validity.Empty() {
		return malformed("notAfter")
	}
	if c.RawSubject, ok = readName(&tbs); !ok {
		return malformed("subject")
	}
	if !tbs.ReadASN1Element((*cryptobyte.String)(&c.RawSubjectPublicKeyInfo), asn1.SEQUENCE) {
		return malformed("public key")
	}
	if c.PublicKey, ok = signature.ParseKey(c.RawSubjectPublicKeyInfo); !ok {
		return malformed("public key")
	}
	if !tbs.SkipOptionalASN1(primitive(1)) || !tbs.SkipOptionalASN1(primitive(2)) {
		return malformed("unique identifier")
	}
	if err := c.parseExtensions(&tbs); err != nil {
		return err
	}
	if !tbs.Empty() {
		return errors.New("data after the extensions")
	}
	return nil
}

// readVersion reads the optional version and counts from 1. There are
// certificates with numbers that no version has.
func readVersion(tbs *cryptobyte.String) (int, bool) {
	var explicit cryptobyte.String
	var present bool
	if !tbs.ReadOptionalASN1(&explicit, &present, constructed(0)) {
		return 0, false
	}
	if !present {
		return 1, true
	}
	content, ok := readInteger(&explicit, asn1.INTEGER)
	if !ok || !explicit.Empty() {
		return 0, false
	}
	if n, ok := count(content); ok {
		return n + 1, true
	}
	return 0, true // below zero
}

// parseExtensions reads the optional extensions, the last field of what is
// signed.
func (c *Certificate) parseExtensions(tbs *cryptobyte.String) error {
	var explicit, list cryptobyte.String
	var present bool
	if !tbs.ReadOptionalASN1(&explicit, &present, constructed(3)) {
		return malformed("extensions")
	}
	if !present {
		return nil
	}
	if !explicit.ReadASN1(&list, asn1.SEQUENCE) || !explicit.Empty() {
		return malformed("extensions")
	}
	c.Extensions = make([]Extension, 0, 10)
	for !list.Empty() {
		if len(c.Extensions) == maxExtensions {
			return fmt.Errorf("more than %d extensions", maxExtensions)
		}
		e, ok := readExtension(&list)
		if !ok {
			return malformed("extension")
		}
		if c.Extension(e.ID) != nil {
			return fmt.Errorf("extension %v comes twice", e.ID)
		}
		c.Extensions = append(c.Extensions, e)
		if !c.parseExtension(&e) {
			return fmt.Errorf("malformed extension %v", e.ID)
		}
	}
	return nil
}

func readExtension(list *cryptobyte.String) (e Extension, ok bool) {
	var fields cryptobyte.String
	if !list.ReadASN1(&fields, asn1.SEQUENCE) {
		return e, false
	}
	if e.ID, ok = readOID(&fields); !ok {
		return e, false
	}
	if e.Critical, ok = readBoolean(&fields, asn1.BOOLEAN); !ok {
		return e, false
	}
	ok = fields.ReadASN1((*cryptobyte.String)(&e.Value), asn1.OCTET_STRING) && fields.Empty()
	return e, ok
}

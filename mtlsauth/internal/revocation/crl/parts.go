package crl

import (
	"bytes"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/der"
	"mtls-auth/mtlsauth/internal/signature"
)

var errMalformed = refuse(Malformed, "parsing CRL: malformed DER")

// readAlgorithm reads version and signature algorithm, and begins to digest.
// Version 1, which has no version, has no extensions and thus no CRL number (RFC
// 5280, section 5.1.2.1).
func (r *reader) readAlgorithm(limit int64) (sum, []byte, error) {
	tag, _, err := r.next(limit)
	if err != nil {
		return nil, nil, err
	}
	if tag == asn1.INTEGER {
		version, err := r.element(asn1.INTEGER, limit)
		if err != nil {
			return nil, nil, err
		}
		if string(version) != "\x02\x01\x01" {
			r.list.flawed(refuse(Version, "CRL is not of version 2"))
		}
	} else {
		r.list.flawed(refuse(Version, "CRL is of version 1"))
	}
	element, err := r.element(asn1.SEQUENCE, limit)
	if err != nil {
		return nil, nil, err
	}
	inner := bytes.Clone(element)
	algorithm, err := signature.Parse(inner)
	if err != nil {
		return nil, nil, refusef(WeakAlgorithm, "parsing CRL: %w", err)
	}
	r.list.Algorithm = algorithm
	sum := newSum(algorithm, r.reserve)
	r.signed = sum
	return sum, inner, nil
}

func (r *reader) readHeader(limit int64) error {
	issuer, err := r.element(asn1.SEQUENCE, limit)
	if err != nil {
		return err
	}
	// Section 5.1.2.3: the name is not empty. That of a CA may be.
	if !certificate.IsName(issuer) {
		return refuse(Malformed, "parsing CRL: malformed issuer")
	}
	r.list.RawIssuer = bytes.Clone(issuer)
	thisUpdate, present, err := r.readTime(limit)
	if err != nil {
		return err
	}
	if !present {
		r.list.flawed(refuse(Malformed, "CRL is without thisUpdate"))
	}
	r.list.ThisUpdate = thisUpdate
	r.list.NextUpdate, _, err = r.readTime(limit)
	return err
}

func (r *reader) readTime(limit int64) (at time.Time, present bool, err error) {
	tag, more, err := r.next(limit)
	if err != nil || !more || tag != asn1.UTCTime && tag != asn1.GeneralizedTime {
		return time.Time{}, false, err
	}
	element, err := r.element(tag, limit)
	if err != nil {
		return time.Time{}, false, err
	}
	at, ok := der.ReadTime(&element)
	if !ok {
		r.list.flawed(refuse(Malformed, "parsing CRL: malformed time"))
	}
	return at, true, nil
}

func (r *reader) readEntries(entries *collector, limit int64) error {
	tag, more, err := r.next(limit)
	if err != nil || !more || tag != asn1.SEQUENCE {
		return err
	}
	end, err := r.enter(asn1.SEQUENCE, limit)
	if err != nil {
		return err
	}
	for r.pos < end {
		element, err := r.element(asn1.SEQUENCE, end)
		if err != nil {
			return err
		}
		if err := entries.add(element); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) readListExtensions(limit int64) error {
	_, more, err := r.next(limit)
	if err != nil || !more {
		return err
	}
	element, err := r.element(constructed(0), limit)
	if err != nil {
		return err
	}
	var content cryptobyte.String
	if !element.ReadASN1(&content, constructed(0)) {
		return errMalformed
	}
	if err := r.list.readExtensions(content); err != nil {
		return err
	}
	if r.pos != limit {
		return errMalformed
	}
	return nil
}

// readSignature reads what follows the signed part. The algorithm there is the
// same as inside, byte for byte (section 5.1.1.2).
func (r *reader) readSignature(inner []byte, limit int64) error {
	outer, err := r.element(asn1.SEQUENCE, limit)
	if err != nil {
		return err
	}
	if !bytes.Equal(outer, inner) {
		r.list.flawed(refuse(Malformed, "parsing CRL: signature algorithms inside and outside differ"))
	}
	element, err := r.element(asn1.BIT_STRING, limit)
	if err != nil {
		return err
	}
	var content []byte
	if !element.ReadASN1BitStringAsBytes(&content) {
		return refuse(Malformed, "parsing CRL: malformed signature")
	}
	if r.pos != limit {
		r.list.flawed(errMalformed)
	}
	r.list.signature = bytes.Clone(content)
	ended, err := r.ended()
	if err == nil && !ended {
		r.list.flawed(refuse(Malformed, "parsing CRL: data after its end"))
	}
	return err
}

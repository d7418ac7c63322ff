package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// reissuer gives each certificate of a suite a key of our own, and signs it and the CRLs
// again: a TLS handshake needs the client's key, which suites do not have. What was signed
// by a key of the suite is signed by the key in its place; what was not stays badly signed.
type reissuer struct {
	keys   map[string]*ecdsaKey // by the SubjectPublicKeyInfo that it replaces
	public []publicKey
}

type ecdsaKey = ecdsa.PrivateKey

type publicKey struct {
	info string
	key  *rsa.PublicKey
}

var errNotRSA = errors.New("a key that is not RSA")

// signed is a certificate or a CRL in parts.
type signed struct {
	fields    [][]byte // of what is signed
	tbs       []byte
	signature []byte
}

func read(der []byte) (signed, error) {
	var s signed
	var outer, tbs cryptobyte.String
	input := cryptobyte.String(der)
	if !input.ReadASN1(&outer, asn1.SEQUENCE) || !outer.ReadASN1Element(&tbs, asn1.SEQUENCE) || !outer.SkipASN1(asn1.SEQUENCE) {
		return s, errors.New("not signed")
	}
	var bits cryptobyte.String
	if !outer.ReadASN1(&bits, asn1.BIT_STRING) || len(bits) == 0 {
		return s, errors.New("no signature")
	}
	s.tbs, s.signature = tbs, bits[1:] // after the number of unused bits
	if !tbs.ReadASN1(&tbs, asn1.SEQUENCE) {
		return s, errors.New("not a SEQUENCE")
	}
	for !tbs.Empty() {
		var field cryptobyte.String
		var tag asn1.Tag
		if !tbs.ReadAnyASN1Element(&field, &tag) {
			return s, errors.New("not DER")
		}
		s.fields = append(s.fields, field)
	}
	return s, nil
}

func (s signed) first(tag asn1.Tag) int {
	if s.fields[0][0] == byte(tag) {
		return 1
	}
	return 0
}

// The places of signature and subjectPublicKeyInfo in a certificate, after the version.
const atSignature, atKey = 1, 5

// learn notes the keys of a certificate.
func (r *reissuer) learn(der []byte) error {
	s, err := read(der)
	if err != nil {
		return err
	}
	info := s.fields[s.first(asn1.Tag(0).ContextSpecific().Constructed())+atKey]
	if r.keys[string(info)] != nil {
		return nil
	}
	key, err := x509.ParsePKIXPublicKey(info)
	if err != nil {
		return nil // it signs nothing here
	}
	of, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil
	}
	ours, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	r.keys[string(info)] = ours
	r.public = append(r.public, publicKey{string(info), of})
	return nil
}

// signer is whose key has signed; nil for none that is known.
func (r *reissuer) signer(s signed) *ecdsa.PrivateKey {
	digest := sha256.Sum256(s.tbs)
	for _, p := range r.public {
		if rsa.VerifyPKCS1v15(p.key, crypto.SHA256, digest[:], s.signature) == nil {
			return r.keys[p.info]
		}
	}
	return nil
}

var ecdsaWithSHA256 = func() []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte("\x2a\x86\x48\xce\x3d\x04\x03\x02")) })
	})
	return b.BytesOrPanic()
}()

// certificate issues a certificate again, and returns its key.
func (r *reissuer) certificate(der []byte) ([]byte, *ecdsa.PrivateKey, error) {
	s, err := read(der)
	if err != nil {
		return nil, nil, err
	}
	version := s.first(asn1.Tag(0).ContextSpecific().Constructed())
	key := r.keys[string(s.fields[version+atKey])]
	if key == nil {
		return nil, nil, errNotRSA
	}
	info, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, nil, err
	}
	s.fields[version+atSignature], s.fields[version+atKey] = ecdsaWithSHA256, info
	out, err := r.sign(s)
	return out, key, err
}

// crl issues a CRL again.
func (r *reissuer) crl(der []byte) ([]byte, error) {
	s, err := read(der)
	if err != nil {
		return nil, err
	}
	s.fields[s.first(asn1.INTEGER)] = ecdsaWithSHA256
	return r.sign(s)
}

func (r *reissuer) sign(s signed) ([]byte, error) {
	key := r.signer(s)
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, field := range s.fields {
			b.AddBytes(field)
		}
	})
	tbs := b.BytesOrPanic()
	digest := sha256.Sum256(tbs)
	bad := key == nil
	if bad {
		for _, any := range r.keys {
			key = any
			break
		}
		digest[0] ^= 1
	}
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		return nil, err
	}
	b = cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(ecdsaWithSHA256)
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}

func marshalKey(key crypto.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("marshalling a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

package ocsp

import (
	"bytes"
	"crypto"
	_ "crypto/sha1" // for certID: it names certificates and proves nothing
	_ "crypto/sha256"
	_ "crypto/sha512"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certificate"
)

const oidSHA1 = "\x2b\x0e\x03\x02\x1a"

// certIDHashes are the hash algorithms of a CertID, by the content of their
// object identifiers.
var certIDHashes = map[string]crypto.Hash{
	oidSHA1:                                crypto.SHA1,
	"\x60\x86\x48\x01\x65\x03\x04\x02\x01": crypto.SHA256,
	"\x60\x86\x48\x01\x65\x03\x04\x02\x02": crypto.SHA384,
	"\x60\x86\x48\x01\x65\x03\x04\x02\x03": crypto.SHA512,
}

// Request returns the DER of an unsigned OCSPRequest without extensions for the
// certificate with this serial number from issuer. Its CertID is made with
// SHA-1, the one that every responder knows (RFC 5019, section 2.1.1), and with
// the issuer's name as the certificate in question spells it: rawIssuer, nil for
// the subject of issuer. It is nil where issuer holds no public key, which a parsed
// certificate does.
func Request(issuer *certificate.Certificate, serial *big.Int, rawIssuer []byte) []byte {
	q, ok := newQuestion(issuer, serial, rawIssuer)
	if !ok {
		return nil
	}
	b := cryptobyte.NewBuilder(nil)
	sequence := func(b *cryptobyte.Builder, content cryptobyte.BuilderContinuation) {
		b.AddASN1(asn1.SEQUENCE, content)
	}
	// OCSPRequest, tbsRequest, requestList, Request and CertID (RFC 6960,
	// section 4.1.1).
	sequence(b, func(b *cryptobyte.Builder) {
		sequence(b, func(b *cryptobyte.Builder) {
			sequence(b, func(b *cryptobyte.Builder) {
				sequence(b, func(b *cryptobyte.Builder) {
					sequence(b, func(b *cryptobyte.Builder) {
						sequence(b, func(b *cryptobyte.Builder) {
							b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(oidSHA1)) })
							b.AddASN1NULL()
						})
						b.AddASN1OctetString(digest(crypto.SHA1, q.names[0]))
						b.AddASN1OctetString(digest(crypto.SHA1, q.keyBits))
						b.AddASN1BigInt(serial)
					})
				})
			})
		})
	})
	return b.BytesOrPanic()
}

// question is what a response has to be about.
type question struct {
	issuer  *certificate.Certificate
	names   [][]byte // of the issuer, as the certificate and its issuer's spell it
	keyBits []byte   // content of the BIT STRING of the issuer's public key
	serial  *big.Int
}

func newQuestion(issuer *certificate.Certificate, serial *big.Int, rawIssuer []byte) (question, bool) {
	bits, ok := keyBits(issuer)
	names := [][]byte{issuer.RawSubject}
	if rawIssuer != nil && !bytes.Equal(rawIssuer, issuer.RawSubject) {
		names = [][]byte{rawIssuer, issuer.RawSubject}
	}
	return question{issuer, names, bits, serial}, ok
}

// keyBits returns what issuerKeyHash and byKey are hashes of: the subject's
// public key without tag, length and number of unused bits (RFC 6960, sections
// 4.1.1 and 4.2.1).
func keyBits(cert *certificate.Certificate) ([]byte, bool) {
	input := cryptobyte.String(cert.RawSubjectPublicKeyInfo)
	var info cryptobyte.String
	var bits []byte
	ok := input.ReadASN1(&info, asn1.SEQUENCE) && input.Empty() &&
		info.SkipASN1(asn1.SEQUENCE) && info.ReadASN1BitStringAsBytes(&bits) && info.Empty()
	return bits, ok
}

// certID is a CertID (RFC 6960, section 4.1.1).
type certID struct {
	hash              crypto.Hash // 0 for one that is not known
	nameHash, keyHash []byte
	serial            *big.Int
}

// asks says whether id is that of the certificate in question. Name and key of
// the issuer both have to fit: a serial number alone names nothing. Where only the
// key does, the name may have been hashed in another spelling.
func (q question) asks(id certID) certificate.Match {
	if id.hash == 0 || id.serial.Cmp(q.serial) != 0 || !bytes.Equal(id.keyHash, digest(id.hash, q.keyBits)) {
		return certificate.Different
	}
	for _, name := range q.names {
		if bytes.Equal(id.nameHash, digest(id.hash, name)) {
			return certificate.Certain
		}
	}
	return certificate.Possible
}

func digest(hash crypto.Hash, data []byte) []byte {
	h := hash.New()
	h.Write(data)
	return h.Sum(nil)
}

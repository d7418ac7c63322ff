package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// OCSPResponse describes an OCSPResponse (RFC 6960, section 4.2.1). With Issuer
// and Singles alone it is a good one, signed by the issuer just now; every other
// field makes it wrong or odd in one way.
type OCSPResponse struct {
	// ResponseStatus other than 0 leaves the rest out.
	ResponseStatus int

	Issuer *Certificate
	// Signer signs instead of the issuer.
	Signer *Certificate
	// Certificates are embedded, as DER. Nil stands for a signer that is not
	// the issuer, an empty slice for none.
	Certificates [][]byte
	// ResponderID is whom the response claims to be from instead of the signer:
	// by key, or with ByName by name.
	ResponderID *Certificate
	ByName      bool
	// ProducedAt is now where zero.
	ProducedAt time.Time

	Singles    []OCSPSingle
	Extensions []pkix.Extension

	// Hash is what is signed, SHA-256 where 0; PSS is for RSA keys.
	Hash crypto.Hash
	PSS  bool
	// Edit changes the DER of ResponseData before it is signed.
	Edit func([]byte) []byte
	// CorruptSignature flips a bit of the signature.
	CorruptSignature bool
}

// CertStatus is the status in a SingleResponse, good where zero.
type CertStatus uint8

// The values of CertStatus.
const (
	OCSPGood CertStatus = iota
	OCSPRevoked
	OCSPUnknown
)

// OCSPSingle describes a SingleResponse.
type OCSPSingle struct {
	Serial *big.Int
	Status CertStatus
	// Reason of a revocation is left out where 0.
	Reason int
	// RevokedAt is an hour before ThisUpdate where zero.
	RevokedAt time.Time
	// ThisUpdate is a minute ago where zero, NextUpdate an hour after it.
	ThisUpdate, NextUpdate time.Time
	NoNextUpdate           bool

	// Hash of the CertID, SHA-1 where 0, and whose name and key it holds instead
	// of the issuer's.
	Hash          crypto.Hash
	NameOf, KeyOf *Certificate

	Extensions []pkix.Extension
}

// Single returns an entry of the status for cert.
func Single(cert *Certificate, status CertStatus) OCSPSingle {
	return OCSPSingle{Serial: cert.SerialNumber, Status: status}
}

// OCSPSigner makes the certificate of a delegated responder signed by ca, with
// id-kp-OCSPSigning and id-pkix-ocsp-nocheck (RFC 6960, section 4.2.2.2).
func (ca *Certificate) OCSPSigner(name string, options ...Option) *Certificate {
	noCheck := pkix.Extension{Id: []int{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}, Value: []byte{5, 0}}
	return ca.Client(name, append([]Option{ExtKeyUsage(x509.ExtKeyUsageOCSPSigning), Extension(noCheck)}, options...)...)
}

// DER signs and encodes the response.
func (r OCSPResponse) DER() []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Enum(int64(r.ResponseStatus))
		if r.ResponseStatus != 0 {
			return
		}
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				addOID(b, "\x2b\x06\x01\x05\x05\x07\x30\x01\x01") // id-pkix-ocsp-basic
				b.AddASN1OctetString(r.basic())
			})
		})
	})
	return b.BytesOrPanic()
}

// basic returns the BasicOCSPResponse.
func (r OCSPResponse) basic() []byte {
	signer := r.Signer
	if signer == nil {
		signer = r.Issuer
	}
	data := r.data(signer)
	if r.Edit != nil {
		data = r.Edit(data)
	}
	algorithm, signature := r.sign(signer.Key, data)
	if r.CorruptSignature {
		signature[len(signature)-1] ^= 1
	}
	certificates := r.Certificates
	if certificates == nil && signer != r.Issuer {
		certificates = [][]byte{signer.Raw}
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(data)
		b.AddBytes(algorithm)
		b.AddASN1BitString(signature)
		if len(certificates) == 0 {
			return
		}
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, der := range certificates {
					b.AddBytes(der)
				}
			})
		})
	})
	return b.BytesOrPanic()
}

// data returns ResponseData.
func (r OCSPResponse) data(signer *Certificate) []byte {
	claimed := signer
	if r.ResponderID != nil {
		claimed = r.ResponderID
	}
	produced := r.ProducedAt
	if produced.IsZero() {
		produced = time.Now()
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if r.ByName {
			b.AddASN1(explicit(1), func(b *cryptobyte.Builder) { b.AddBytes(claimed.RawSubject) })
		} else {
			b.AddASN1(explicit(2), func(b *cryptobyte.Builder) {
				b.AddASN1OctetString(hashed(crypto.SHA1, publicKeyBits(claimed)))
			})
		}
		b.AddASN1GeneralizedTime(produced.UTC())
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, s := range r.Singles {
				s.add(b, r.Issuer)
			}
		})
		addExtensions(b, r.Extensions)
	})
	return b.BytesOrPanic()
}

func (s OCSPSingle) add(b *cryptobyte.Builder, issuer *Certificate) {
	if s.ThisUpdate.IsZero() {
		s.ThisUpdate = time.Now().Add(-time.Minute)
	}
	if s.NextUpdate.IsZero() {
		s.NextUpdate = s.ThisUpdate.Add(time.Hour)
	}
	if s.RevokedAt.IsZero() {
		s.RevokedAt = s.ThisUpdate.Add(-time.Hour)
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		s.addID(b, issuer)
		switch s.Status {
		case OCSPGood:
			b.AddASN1(asn1.Tag(0).ContextSpecific(), func(*cryptobyte.Builder) {})
		case OCSPUnknown:
			b.AddASN1(asn1.Tag(2).ContextSpecific(), func(*cryptobyte.Builder) {})
		case OCSPRevoked:
			b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
				b.AddASN1GeneralizedTime(s.RevokedAt.UTC())
				if s.Reason != 0 {
					b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(s.Reason)) })
				}
			})
		}
		b.AddASN1GeneralizedTime(s.ThisUpdate.UTC())
		if !s.NoNextUpdate {
			b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddASN1GeneralizedTime(s.NextUpdate.UTC()) })
		}
		addExtensions(b, s.Extensions)
	})
}

func (s OCSPSingle) addID(b *cryptobyte.Builder, issuer *Certificate) {
	name, key, hash := issuer, issuer, crypto.SHA1
	if s.NameOf != nil {
		name = s.NameOf
	}
	if s.KeyOf != nil {
		key = s.KeyOf
	}
	if s.Hash != 0 {
		hash = s.Hash
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addOID(b, hashOIDs[hash])
			b.AddASN1NULL()
		})
		b.AddASN1OctetString(hashed(hash, name.RawSubject))
		b.AddASN1OctetString(hashed(hash, publicKeyBits(key)))
		b.AddASN1BigInt(s.Serial)
	})
}

// sign returns the AlgorithmIdentifier and the signature.
func (r OCSPResponse) sign(key crypto.Signer, data []byte) (algorithm, signature []byte) {
	hash := r.Hash
	if hash == 0 {
		hash = crypto.SHA256
	}
	identifier, opts, digested := signatureAlgorithm(key, hash, r.PSS)
	if digested {
		data = hashed(hash, data)
	}
	signature, err := key.Sign(rand.Reader, data, opts)
	check(err)
	return identifier, signature
}

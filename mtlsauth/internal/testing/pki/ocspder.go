package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	_ "crypto/md5" // for a CertID that must not be accepted
	"crypto/rsa"
	_ "crypto/sha1" // for CertID and byKey
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509/pkix"
	stdasn1 "encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// hashOIDs are hash algorithms by the content of their object identifiers.
var hashOIDs = map[crypto.Hash]string{
	crypto.MD5:    "\x2a\x86\x48\x86\xf7\x0d\x02\x05",
	crypto.SHA1:   "\x2b\x0e\x03\x02\x1a",
	crypto.SHA256: "\x60\x86\x48\x01\x65\x03\x04\x02\x01",
	crypto.SHA384: "\x60\x86\x48\x01\x65\x03\x04\x02\x02",
	crypto.SHA512: "\x60\x86\x48\x01\x65\x03\x04\x02\x03",
}

// The last byte of an algorithm's object identifier, by hash.
var (
	rsaArcs   = map[crypto.Hash]string{crypto.SHA1: "\x05", crypto.SHA256: "\x0b", crypto.SHA384: "\x0c", crypto.SHA512: "\x0d"}
	ecdsaArcs = map[crypto.Hash]string{crypto.SHA1: "\x01", crypto.SHA256: "\x03\x02", crypto.SHA384: "\x03\x03", crypto.SHA512: "\x03\x04"}
)

const (
	oidPKCS1     = "\x2a\x86\x48\x86\xf7\x0d\x01\x01"
	oidMGF1      = oidPKCS1 + "\x08"
	oidPSS       = oidPKCS1 + "\x0a"
	oidECDSAWith = "\x2a\x86\x48\xce\x3d\x04"
	oidEd25519   = "\x2b\x65\x70"
)

// signatureAlgorithm returns the AlgorithmIdentifier for a key, what its Sign
// needs to know, and whether it signs a digest.
func signatureAlgorithm(key crypto.Signer, hash crypto.Hash, pss bool) (identifier []byte, opts crypto.SignerOpts, digested bool) {
	b := cryptobyte.NewBuilder(nil)
	opts, digested = hash, true
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		switch key.Public().(type) {
		case *rsa.PublicKey:
			if pss {
				opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
				addOID(b, oidPSS)
				addPSSParameters(b, hash)
				return
			}
			addOID(b, oidPKCS1+rsaArcs[hash])
			b.AddASN1NULL()
		case *ecdsa.PublicKey:
			addOID(b, oidECDSAWith+ecdsaArcs[hash])
		case ed25519.PublicKey:
			opts, digested = crypto.Hash(0), false
			addOID(b, oidEd25519)
		}
	})
	return b.BytesOrPanic(), opts, digested
}

// addPSSParameters writes RSASSA-PSS-params (RFC 4055, section 3.1).
func addPSSParameters(b *cryptobyte.Builder, hash crypto.Hash) {
	identifier := func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addOID(b, hashOIDs[hash])
			b.AddASN1NULL()
		})
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(explicit(0), identifier)
		b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				addOID(b, oidMGF1)
				identifier(b)
			})
		})
		b.AddASN1(explicit(2), func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(hash.Size())) })
	})
}

func explicit(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }

func addOID(b *cryptobyte.Builder, content string) {
	b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(content)) })
}

// addExtensions writes Extensions under the tag [1] of OCSP, nothing for none.
func addExtensions(b *cryptobyte.Builder, extensions []pkix.Extension) {
	if len(extensions) == 0 {
		return
	}
	der, err := stdasn1.Marshal(extensions)
	check(err)
	b.AddASN1(explicit(1), func(b *cryptobyte.Builder) { b.AddBytes(der) })
}

// publicKeyBits returns what issuerKeyHash and byKey are hashes of.
func publicKeyBits(c *Certificate) []byte {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       stdasn1.BitString
	}
	_, err := stdasn1.Unmarshal(c.RawSubjectPublicKeyInfo, &info)
	check(err)
	return info.Key.Bytes
}

func hashed(hash crypto.Hash, data []byte) []byte {
	h := hash.New()
	h.Write(data)
	return h.Sum(nil)
}

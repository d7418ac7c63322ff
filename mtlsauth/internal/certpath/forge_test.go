package certpath_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// forged is a certificate part by part, each the DER of its element, so that
// every part can be as odd as the field writes them.
type forged struct {
	version    []byte // empty for version 1
	serial     []byte
	issuer     []byte
	validity   []byte
	subject    []byte
	key        []byte   // SubjectPublicKeyInfo
	uniqueIDs  []byte   // what stands between key and extensions
	extensions [][]byte // nil for no field of extensions
	mutate     func(tbs []byte) []byte
}

// signer signs certificates.
type signer struct {
	key       crypto.Signer
	algorithm []byte // AlgorithmIdentifier
	hash      crypto.Hash
	options   crypto.SignerOpts
}

// sign returns the certificate.
func (f forged) sign(by signer) []byte {
	fields := [][]byte{f.version, f.serial, by.algorithm, f.issuer, f.validity, f.subject, f.key, f.uniqueIDs}
	if f.extensions != nil {
		fields = append(fields, context(3, true, sequence(f.extensions...)))
	}
	tbs := sequence(fields...)
	if f.mutate != nil {
		tbs = f.mutate(tbs)
	}
	digest := tbs
	if by.hash != 0 {
		h := by.hash.New()
		h.Write(tbs)
		digest = h.Sum(nil)
	}
	options := by.options
	if options == nil {
		options = by.hash
	}
	signature, err := by.key.Sign(rand.Reader, digest, options)
	if err != nil {
		panic(err)
	}
	return sequence(tbs, by.algorithm, bitString(signature))
}

func bitString(b []byte) []byte { return tlv(0, asn1.TagBitString, false, []byte{0}, b) }

func mustMarshal(v any) []byte {
	der, err := asn1.Marshal(v)
	if err != nil {
		panic(err)
	}
	return der
}

func oid(dotted string) []byte {
	id, err := x509.ParseOID(dotted)
	if err != nil {
		panic(err)
	}
	content, err := id.MarshalBinary()
	if err != nil {
		panic(err)
	}
	return tlv(0, asn1.TagOID, false, content)
}

var (
	null            = []byte{5, 0}
	ecdsaWithSHA256 = sequence(oid("1.2.840.10045.4.3.2"))
	rsaWithSHA256   = sequence(oid("1.2.840.113549.1.1.11"), null)
	algEd25519      = sequence(oid("1.3.101.112"))
)

// signerOf is the usual signer with a key.
func signerOf(key crypto.Signer) signer {
	switch key.Public().(type) {
	case *rsa.PublicKey:
		return signer{key: key, algorithm: rsaWithSHA256, hash: crypto.SHA256}
	case ed25519.PublicKey:
		return signer{key: key, algorithm: algEd25519}
	}
	return signer{key: key, algorithm: ecdsaWithSHA256, hash: crypto.SHA256}
}

// party has a name and a key.
type party struct {
	signer
	name []byte
	spki []byte
}

func newParty(name string, key crypto.Signer) *party {
	return &party{signerOf(key), rdns(attribute("2.5.4.3", asn1.TagUTF8String, name)), publicKeyInfo(key.Public())}
}

func publicKeyInfo(key crypto.PublicKey) []byte {
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err)
	}
	return spki
}

// p256 makes keys by the thousand.
func p256() crypto.Signer { return newECDSA(elliptic.P256()) }

func newECDSA(c elliptic.Curve) crypto.Signer {
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// rsaKeys are made once, since that takes long.
var rsaKeys sync.Map

func rsaSigner(bits, number int) *rsa.PrivateKey {
	id := [2]int{bits, number}
	if key, ok := rsaKeys.Load(id); ok {
		return key.(*rsa.PrivateKey)
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	rsaKeys.Store(id, key)
	return key
}

func attribute(dotted string, tag int, value string) []byte {
	return sequence(oid(dotted), tlv(0, tag, false, []byte(value)))
}

// rdns is a name with one attribute in each RDN.
func rdns(attributes ...[]byte) []byte {
	var out [][]byte
	for _, a := range attributes {
		out = append(out, tlv(0, asn1.TagSet, true, a))
	}
	return sequence(out...)
}

func extensionDER(dotted string, critical bool, value []byte) []byte {
	parts := [][]byte{oid(dotted)}
	if critical {
		parts = append(parts, []byte{1, 1, 0xff})
	}
	return sequence(append(parts, tlv(0, asn1.TagOctetString, false, value))...)
}

var version3 = context(0, true, []byte{2, 1, 2})

func serialNumber(n int64) []byte { return mustMarshal(big.NewInt(n)) }

func validFor(from, to time.Time) []byte {
	return sequence(mustMarshal(from.UTC()), mustMarshal(to.UTC()))
}

// Usual extensions.
var (
	extCA         = extensionDER("2.5.29.19", true, sequence([]byte{1, 1, 0xff}))
	extCertSign   = extensionDER("2.5.29.15", true, []byte{3, 2, 1, 6})
	extSignature  = extensionDER("2.5.29.15", true, []byte{3, 2, 7, 0x80})
	extClientAuth = extensionDER("2.5.29.37", false, sequence(oid("1.3.6.1.5.5.7.3.2")))
)

func extSubjectKeyID(id []byte) []byte {
	return extensionDER("2.5.29.14", false, tlv(0, asn1.TagOctetString, false, id))
}

func extAuthorityKeyID(id []byte) []byte {
	return extensionDER("2.5.29.35", false, sequence(context(0, false, id)))
}

func extSAN(critical bool, names ...[]byte) []byte {
	return extensionDER("2.5.29.17", critical, sequence(names...))
}

// usual is a good certificate of subject, issued by issuer.
func usual(issuer, subject *party, extensions ...[]byte) forged {
	return forged{
		version: version3, serial: serialNumber(time.Now().UnixNano()), issuer: issuer.name, subject: subject.name,
		validity: validFor(now.Add(-time.Hour), now.Add(24*time.Hour)), key: subject.spki, extensions: extensions,
	}
}

func caBy(issuer, subject *party, more ...[]byte) forged {
	return usual(issuer, subject, append([][]byte{extCA, extCertSign}, more...)...)
}

func clientBy(issuer, subject *party, more ...[]byte) forged {
	return usual(issuer, subject, append([][]byte{extSignature, extClientAuth}, more...)...)
}

// tuple is a question to both: is this leaf, with what it presents, good below
// these CAs?
type tuple struct {
	name       string // family/case
	leaf       []byte
	presented  [][]byte
	configured [][]byte
	at         time.Time // zero for now
}

func (t tuple) family() string { family, _, _ := strings.Cut(t.name, "/"); return family }

// tuples collects them.
type tuples struct {
	testing.TB
	all []tuple
}

func (t *tuples) add(name string, leaf []byte, presented [][]byte, configured ...[]byte) {
	t.all = append(t.all, tuple{name: name, leaf: leaf, presented: slices.Clone(presented), configured: slices.Clone(configured)})
}

func keyID(p *party) []byte {
	sum := sha1.Sum(p.spki)
	return sum[:]
}

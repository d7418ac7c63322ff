package signature

import (
	"crypto"
	"crypto/elliptic"
	_ "crypto/md5"  // for Algorithm.Hash: see Insecure
	_ "crypto/sha1" // likewise
	_ "crypto/sha256"
	_ "crypto/sha3"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"fmt"
)

// scheme is how a digest becomes a signature.
type scheme uint8

const (
	none scheme = iota
	rsaPKCS1
	rsaPSS
	ecdsaASN1
	pureEd25519
)

const (
	pkcs1    = "1.2.840.113549.1.1."
	ansiX962 = "1.2.840.10045."
	nistHash = "2.16.840.1.101.3.4.2."
	nistSig  = "2.16.840.1.101.3.4.3."
)

// algorithms are those that are verified. Those with MD5 and SHA-1 are among
// them so that the log can name them, and an old root be told from what is not
// self-signed: see Insecure.
var algorithms = encoded(map[string]Algorithm{
	pkcs1 + "4": {scheme: rsaPKCS1, hash: crypto.MD5}, pkcs1 + "5": {scheme: rsaPKCS1, hash: crypto.SHA1},
	pkcs1 + "14": {scheme: rsaPKCS1, hash: crypto.SHA224}, pkcs1 + "11": {scheme: rsaPKCS1, hash: crypto.SHA256},
	pkcs1 + "12": {scheme: rsaPKCS1, hash: crypto.SHA384}, pkcs1 + "13": {scheme: rsaPKCS1, hash: crypto.SHA512},
	pkcs1 + "15": {scheme: rsaPKCS1, hash: crypto.SHA512_224}, pkcs1 + "16": {scheme: rsaPKCS1, hash: crypto.SHA512_256},
	nistSig + "13": {scheme: rsaPKCS1, hash: crypto.SHA3_224}, nistSig + "14": {scheme: rsaPKCS1, hash: crypto.SHA3_256},
	nistSig + "15": {scheme: rsaPKCS1, hash: crypto.SHA3_384}, nistSig + "16": {scheme: rsaPKCS1, hash: crypto.SHA3_512},

	pkcs1 + "10": {scheme: rsaPSS},

	ansiX962 + "4.1": {scheme: ecdsaASN1, hash: crypto.SHA1}, ansiX962 + "4.3.1": {scheme: ecdsaASN1, hash: crypto.SHA224},
	ansiX962 + "4.3.2": {scheme: ecdsaASN1, hash: crypto.SHA256}, ansiX962 + "4.3.3": {scheme: ecdsaASN1, hash: crypto.SHA384},
	ansiX962 + "4.3.4": {scheme: ecdsaASN1, hash: crypto.SHA512},
	nistSig + "9":      {scheme: ecdsaASN1, hash: crypto.SHA3_224}, nistSig + "10": {scheme: ecdsaASN1, hash: crypto.SHA3_256},
	nistSig + "11": {scheme: ecdsaASN1, hash: crypto.SHA3_384}, nistSig + "12": {scheme: ecdsaASN1, hash: crypto.SHA3_512},

	"1.3.101.112": {scheme: pureEd25519},
})

// hashes are those that RSASSA-PSS names by themselves.
var hashes = encoded(map[string]crypto.Hash{
	"1.2.840.113549.2.5": crypto.MD5, "1.3.14.3.2.26": crypto.SHA1,
	nistHash + "4": crypto.SHA224, nistHash + "1": crypto.SHA256, nistHash + "2": crypto.SHA384, nistHash + "3": crypto.SHA512,
	nistHash + "5": crypto.SHA512_224, nistHash + "6": crypto.SHA512_256,
	nistHash + "7": crypto.SHA3_224, nistHash + "8": crypto.SHA3_256, nistHash + "9": crypto.SHA3_384, nistHash + "10": crypto.SHA3_512,
})

// mgf1 is the mask generation function of RSASSA-PSS; there is no other.
var mgf1 = encode(pkcs1 + "8")

// keyKind is what a public key is for.
type keyKind uint8

const (
	keyRSA keyKind = iota + 1
	keyPSS
	keyEC
	keyEd25519
)

// 2.5.8.1.1 is X.509's own RSA, in old certificates.
var keyKinds = encoded(map[string]keyKind{
	pkcs1 + "1": keyRSA, "2.5.8.1.1": keyRSA, pkcs1 + "10": keyPSS, ansiX962 + "2.1": keyEC, "1.3.101.112": keyEd25519,
})

var curves = encoded(map[string]elliptic.Curve{
	ansiX962 + "3.1.7": elliptic.P256(), "1.3.132.0.34": elliptic.P384(), "1.3.132.0.35": elliptic.P521(),
})

// unsupported names what an operator may meet and is not verified with.
var unsupported = encoded(map[string]string{
	pkcs1 + "2": "RSA with MD2", pkcs1 + "3": "RSA with MD4", pkcs1 + "7": "RSAES-OAEP", "1.3.14.3.2.29": "RSA with SHA-1",
	"1.2.840.10040.4.1": "DSA", "1.2.840.10040.4.3": "DSA with SHA-1", nistSig + "1": "DSA with SHA-224", nistSig + "2": "DSA with SHA-256",
	"1.2.840.10046.2.1": "Diffie-Hellman", "1.2.840.113549.1.3.1": "Diffie-Hellman", "1.3.132.1.12": "ECDH",
	"1.3.101.110": "X25519", "1.3.101.111": "X448", "1.3.101.113": "Ed448",
	nistSig + "17": "ML-DSA-44", nistSig + "18": "ML-DSA-65", nistSig + "19": "ML-DSA-87",
	nistSig + "20": "SLH-DSA-SHA2-128s", nistSig + "21": "SLH-DSA-SHA2-128f", nistSig + "22": "SLH-DSA-SHA2-192s",
	nistSig + "23": "SLH-DSA-SHA2-192f", nistSig + "24": "SLH-DSA-SHA2-256s", nistSig + "25": "SLH-DSA-SHA2-256f",
	nistSig + "26": "SLH-DSA-SHAKE-128s", nistSig + "27": "SLH-DSA-SHAKE-128f", nistSig + "28": "SLH-DSA-SHAKE-192s",
	nistSig + "29": "SLH-DSA-SHAKE-192f", nistSig + "30": "SLH-DSA-SHAKE-256s", nistSig + "31": "SLH-DSA-SHAKE-256f",
	"1.2.643.2.2.19": "GOST R 34.10-2001", "1.2.643.7.1.1.1.1": "GOST R 34.10-2012", "1.2.156.10197.1.501": "SM2 with SM3",

	ansiX962 + "3.1.1": "P-192", "1.3.132.0.33": "P-224", "1.3.132.0.10": "secp256k1", "1.2.156.10197.1.301": "SM2",
	"1.3.36.3.3.2.8.1.1.7": "brainpoolP256r1", "1.3.36.3.3.2.8.1.1.11": "brainpoolP384r1", "1.3.36.3.3.2.8.1.1.13": "brainpoolP512r1",
})

// encode returns the content of an object identifier's encoding.
func encode(dotted string) string {
	id, err := x509.ParseOID(dotted)
	if err != nil {
		panic(err) // a table above is wrong
	}
	der, err := id.MarshalBinary()
	if err != nil {
		panic(err)
	}
	return string(der)
}

func encoded[V any](dotted map[string]V) map[string]V {
	out := make(map[string]V, len(dotted))
	for id, v := range dotted {
		out[encode(id)] = v
	}
	return out
}

// nameOf says what is not supported, by its name or else its object identifier.
func nameOf(id []byte) string {
	if name, ok := unsupported[string(id)]; ok {
		return name
	}
	const enough = 64
	var dotted x509.OID
	if len(id) > enough || dotted.UnmarshalBinary(id) != nil {
		return "the object identifier #" + hex.EncodeToString(id[:min(len(id), enough)])
	}
	return fmt.Sprintf("the object identifier %v", dotted)
}

package signature_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/signature"
)

func privatePEM(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

// bitString and sequenceOf encode elements of any length.
func bitString(t testing.TB, content []byte) []byte {
	t.Helper()
	return marshal(t, asn1.BitString{Bytes: content, BitLength: 8 * len(content)})
}

func sequenceOf(t testing.TB, elements ...[]byte) []byte {
	t.Helper()
	raw := make([]asn1.RawValue, len(elements))
	for i, e := range elements {
		raw[i].FullBytes = e
	}
	return marshal(t, raw)
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	encoded, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// rsaBits is the BIT STRING of an RSA key.
func rsaBits(t testing.TB, key rsa.PublicKey) []byte {
	t.Helper()
	return bitString(t, x509.MarshalPKCS1PublicKey(&key))
}

func spki(t testing.TB, key any) []byte {
	t.Helper()
	encoded, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func TestParseKeyAgreesWithX509(t *testing.T) {
	for _, want := range []crypto.PublicKey{
		rsaKey(t, 2048).Public(), ecdsaKey(t, elliptic.P256()).Public(), ecdsaKey(t, elliptic.P384()).Public(),
		ecdsaKey(t, elliptic.P521()).Public(), ed25519Key(t).Public(),
	} {
		got, ok := signature.ParseKey(spki(t, want))
		if !ok || !want.(interface{ Equal(crypto.PublicKey) bool }).Equal(got) {
			t.Errorf("%T: got %T", want, got)
		}
	}
}

func TestParseKey(t *testing.T) {
	rsa2048, p256 := rsaKey(t, 2048), ecdsaKey(t, elliptic.P256())
	point, err := p256.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	identifier := func(id ...int) []byte { return marshal(t, asn1.ObjectIdentifier(id)) }
	ec := func(curve ...int) []byte {
		return sequenceOf(t, identifier(1, 2, 840, 10045, 2, 1), identifier(curve...))
	}
	rsaID := sequenceOf(t, pkcs1(1), null)
	numbers := func(n, e []byte) []byte {
		number := func(content []byte) []byte { return marshal(t, asn1.RawValue{Tag: asn1.TagInteger, Bytes: content}) }
		return bitString(t, sequenceOf(t, number(n), number(e)))
	}
	key := func(algorithm, bits []byte) []byte { return sequenceOf(t, algorithm, bits) }
	n := rsa2048.N.Bytes()
	p256ID := ec(1, 2, 840, 10045, 3, 1, 7)
	for _, c := range []struct {
		name string
		der  []byte
		want string // what it is not, or the bits of the modulus, or the curve
	}{
		{"RSA", key(rsaID, rsaBits(t, rsa2048.PublicKey)), "RSA"},
		{"RSA without parameters", key(sequenceOf(t, pkcs1(1)), rsaBits(t, rsa2048.PublicKey)), "RSA"},
		{"RSA by X.509's identifier", key(sequenceOf(t, identifier(2, 5, 8, 1, 1), null), rsaBits(t, rsa2048.PublicKey)), "RSA"},
		{"a modulus without a zero before it", key(rsaID, numbers(n, []byte{1, 0, 1})), "RSA"},
		{"zeros before the numbers", key(rsaID, numbers(append([]byte{0, 0}, n...), []byte{0, 0, 1, 0, 1})), "RSA"},
		{"an exponent of 32 bits", key(rsaID, numbers(n, []byte{0, 0x80, 0, 0, 1})), "RSA with an exponent of over 31 bits"},
		{"an exponent of 40 bits", key(rsaID, numbers(n, []byte{1, 0, 0, 0, 1})), "RSA with an exponent of over 31 bits"},
		{"a number more", key(rsaID, bitString(t, sequenceOf(t, number(1), number(3), number(5)))), "malformed RSA"},
		{"P-256", key(p256ID, bitString(t, point)), "P-256"},
		{"a compressed point", key(p256ID, bitString(t, append([]byte{2 + point[64]&1}, point[1:33]...))), "P-256"},
		{"the other compressed point", key(p256ID, bitString(t, append([]byte{3 - point[64]&1}, point[1:33]...))), "the other"},
		{"infinity", key(p256ID, bitString(t, []byte{0})), "malformed ECDSA on P-256"},
		{"not on the curve", key(p256ID, bitString(t, append(point[:64:64], point[64]^1))), "malformed ECDSA on P-256"},
		{"no curve", key(sequenceOf(t, identifier(1, 2, 840, 10045, 2, 1)), bitString(t, point)), "ECDSA without a named curve"},
		{"P-224", spki(t, ecdsaKey(t, elliptic.P224()).Public()), "ECDSA on P-224"},
		{"secp256k1", key(ec(1, 3, 132, 0, 10), bitString(t, point)), "ECDSA on secp256k1"},
		{"brainpool", key(ec(1, 3, 36, 3, 3, 2, 8, 1, 1, 7), bitString(t, point)), "ECDSA on brainpoolP256r1"},
		{"a curve of no name here", key(ec(1, 2, 3), bitString(t, point)), "ECDSA on the object identifier 1.2.3"},
		{"ML-DSA-65", key(sequenceOf(t, identifier(2, 16, 840, 1, 101, 3, 4, 3, 18)), bitString(t, point)), "ML-DSA-65"},
		{"Ed448", key(sequenceOf(t, identifier(1, 3, 101, 113)), bitString(t, point)), "Ed448"},
		{"DSA", key(sequenceOf(t, identifier(1, 2, 840, 10040, 4, 1)), bitString(t, point)), "DSA"},
		{"Ed25519 of another size", key(sequenceOf(t, identifier(1, 3, 101, 112)), bitString(t, point[:31])), "malformed Ed25519"},
		{"no kind", key(sequenceOf(t, identifier(1, 2, 3)), bitString(t, point)), "the object identifier 1.2.3"},
	} {
		got, ok := signature.ParseKey(c.der)
		is := ""
		switch got := got.(type) {
		case *rsa.PublicKey:
			if got.Equal(&rsa2048.PublicKey) {
				is = "RSA"
			}
		case *ecdsa.PublicKey:
			is = "the other"
			if got.Equal(&p256.PublicKey) {
				is = "P-256"
			}
		case signature.UnsupportedKey:
			is = string(got)
			if err := signature.CheckKey(got, 0); err == nil || !strings.Contains(err.Error(), is) {
				t.Errorf("%s: CheckKey says %v", c.name, err)
			}
		}
		if !ok || is != c.want {
			t.Errorf("%s: got %q, want %q", c.name, is, c.want)
		}
	}
	for name, bad := range map[string][]byte{
		"nothing": nil, "no key": sequenceOf(t, rsaID), "no algorithm": sequenceOf(t, rsaBits(t, rsa2048.PublicKey)),
		"something after": sequenceOf(t, rsaID, rsaBits(t, rsa2048.PublicKey), null), "data after": append(spki(t, p256.Public()), 0),
	} {
		if _, ok := signature.ParseKey(bad); ok {
			t.Errorf("%s: read", name)
		}
	}
}

// TestWeakRSAKeys: keys that more than their holder can sign with are weak at any size.
func TestWeakRSAKeys(t *testing.T) {
	n := rsaKey(t, 2048).N
	for name, key := range map[string]*rsa.PublicKey{
		"exponent 0":      {N: n, E: 0},
		"exponent 1":      {N: n, E: 1},
		"exponent 2":      {N: n, E: 2},
		"exponent 65536":  {N: n, E: 65536},
		"an even modulus": {N: new(big.Int).Lsh(n, 1), E: 3},
		"a factor of 3":   {N: new(big.Int).Mul(n, big.NewInt(3)), E: 3},
		"a factor of 751": {N: new(big.Int).Mul(n, big.NewInt(751)), E: 3},
		"a power of 3":    {N: new(big.Int).Exp(big.NewInt(3), big.NewInt(1300), nil), E: 3},
		"over 8192 bits":  {N: new(big.Int).Exp(big.NewInt(3), big.NewInt(6000), nil), E: 3},
	} {
		if signature.CheckKey(key, 0) == nil || signature.CheckIssuerKey(key, 0) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for name, key := range map[string]*rsa.PublicKey{
		"exponent 3":      {N: n, E: 3},
		"a factor of 757": {N: new(big.Int).Mul(n, big.NewInt(757)), E: 65537},
	} {
		if err := signature.CheckKey(key, 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

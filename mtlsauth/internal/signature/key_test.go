package signature_test

import (
	"crypto"
	"crypto/dsa" //lint:ignore SA1019 a kind of key that has to be refused
	"crypto/ecdh"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"testing"

	"mtls-auth/mtlsauth/internal/signature"
)

// modulus is an RSA key of so many bits without a private one, with
// no small factor.
func modulus(bits uint) crypto.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	for n.SetBit(n, 0, 1); !new(big.Int).GCD(nil, nil, n, smallPrimes()).IsUint64() || new(big.Int).GCD(nil, nil, n, smallPrimes()).Uint64() != 1; {
		n.Add(n, big.NewInt(2))
	}
	return &rsa.PublicKey{N: n, E: 65537}
}

// smallPrimes is the product of the numbers below 752.
func smallPrimes() *big.Int { return new(big.Int).MulRange(1, 751) }

func TestCheckKey(t *testing.T) {
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name            string
		key             crypto.PublicKey
		minBits         int
		asKey, asIssuer bool
	}{
		{"RSA of 2048 bits", modulus(2048), 0, true, true},
		{"RSA of 2047 bits", modulus(2047), 0, false, false},
		{"RSA of 1024 bits", modulus(1024), 0, false, false},
		{"RSA of 1024 bits, allowed", modulus(1024), 1024, true, true},
		{"RSA of 2048 bits, 3072 asked for", modulus(2048), 3072, false, false},
		{"RSA of 3072 bits, 3072 asked for", modulus(3072), 3072, true, true},
		{"RSA of 8192 bits", modulus(8192), 0, true, true},
		{"RSA of 8193 bits", modulus(8193), 0, true, false},
		{"P-224", ecdsaKey(t, elliptic.P224()).Public(), 0, false, false},
		{"P-256", ecdsaKey(t, elliptic.P256()).Public(), 0, true, true},
		{"P-256, 3072 bits of RSA asked for", ecdsaKey(t, elliptic.P256()).Public(), 3072, true, true},
		{"P-384", ecdsaKey(t, elliptic.P384()).Public(), 0, true, true},
		{"P-521", ecdsaKey(t, elliptic.P521()).Public(), 0, true, true},
		{"Ed25519", ed25519Key(t).Public(), 0, true, true},
		{"X25519", x25519.Public(), 0, false, false},
		{"DSA", &dsa.PublicKey{}, 0, false, false},
		{"none", nil, 0, false, false},
	} {
		if err := signature.CheckKey(c.key, c.minBits); (err == nil) != c.asKey {
			t.Errorf("%s: CheckKey returns %v", c.name, err)
		}
		if err := signature.CheckIssuerKey(c.key, c.minBits); (err == nil) != c.asIssuer {
			t.Errorf("%s: CheckIssuerKey returns %v", c.name, err)
		}
	}
}

package certpath

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"
)

// TestRecoverKeys holds the recovered keys against ecdsa.VerifyASN1: they are
// those that verify, and the signer's is among them.
func TestRecoverKeys(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			t.Run(curve.Params().Name+" "+hash.String(), func(t *testing.T) {
				key, err := ecdsa.GenerateKey(curve, rand.Reader)
				if err != nil {
					t.Fatal(err)
				}
				h := hash.New()
				h.Write([]byte("message"))
				digest := h.Sum(nil)
				signature, err := ecdsa.SignASN1(rand.Reader, key, digest)
				if err != nil {
					t.Fatal(err)
				}
				keys := recoverKeys(curve, digest, signature)
				if !slices.Contains(keys, xOf(&key.PublicKey)) {
					t.Fatalf("the signer is not among %x", keys)
				}
				if len(keys) != 2 {
					t.Errorf("got %d keys, want 2", len(keys))
				}
				for _, x := range keys {
					if !verifiesWith(t, curve, x, digest, signature) {
						t.Errorf("%x does not verify", x)
					}
				}
				digest[0] ^= 1
				if keys := recoverKeys(curve, digest, signature); slices.Contains(keys, xOf(&key.PublicKey)) {
					t.Error("another digest gives the same key")
				}
			})
		}
	}
}

// TestRecoverNoKeys: what ecdsa.VerifyASN1 refuses for every key is good for none, and so
// is what no signer makes.
func TestRecoverNoKeys(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		c := curve.Params()
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		digest := bytes.Repeat([]byte{1}, 32)
		signature, err := ecdsa.SignASN1(rand.Reader, key, digest)
		if err != nil {
			t.Fatal(err)
		}
		var pair struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(signature, &pair); err != nil {
			t.Fatal(err)
		}
		sequence := func(numbers ...*big.Int) []byte {
			der, err := asn1.Marshal(numbers)
			if err != nil {
				t.Fatal(err)
			}
			return der
		}
		if len(recoverKeys(curve, digest, sequence(pair.R, pair.S))) == 0 {
			t.Fatal("none of a good signature: the test is void")
		}
		plus := func(a, b *big.Int) *big.Int { return new(big.Int).Add(a, b) }
		without, small := new(big.Int).Set(pair.R), big.NewInt(1)
		for liftX(c, without) != nil {
			without.Sub(without, big.NewInt(1))
		}
		for liftX(c, small) == nil {
			small.Add(small, big.NewInt(1))
		}
		for name, broken := range map[string][]byte{
			"none":                       nil,
			"cut off":                    signature[:len(signature)-1],
			"followed by more":           append(slices.Clone(signature), 0),
			"no sequence":                append([]byte{4}, signature[1:]...),
			"no numbers":                 sequence(),
			"one number":                 sequence(pair.R),
			"three numbers":              sequence(pair.R, pair.S, pair.S),
			"r is 0":                     sequence(big.NewInt(0), pair.S),
			"s is 0":                     sequence(pair.R, big.NewInt(0)),
			"r is negative":              sequence(new(big.Int).Neg(pair.R), pair.S),
			"s is negative":              sequence(pair.R, new(big.Int).Sub(pair.S, c.N)),
			"r is above p":               sequence(plus(c.Gx, c.P), pair.S),
			"s is above n":               sequence(pair.R, plus(pair.S, c.N)),
			"no point has this r":        sequence(without, pair.S),
			"two points may have this r": sequence(small, pair.S),
		} {
			if keys := recoverKeys(curve, digest, broken); len(keys) != 0 {
				t.Errorf("%s, %s: got %x", c.Name, name, keys)
			}
			if ecdsa.VerifyASN1(&key.PublicKey, digest, broken) {
				t.Errorf("%s, %s: it is good for the signer's key", c.Name, name)
			}
		}
	}
}

// verifiesWith tries both keys of an x coordinate.
func verifiesWith(t *testing.T, curve elliptic.Curve, x string, digest, signature []byte) bool {
	y := liftX(curve.Params(), new(big.Int).SetBytes([]byte(x)))
	if y == nil {
		t.Fatalf("%x is not on the curve", x)
	}
	for range 2 {
		key, err := ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, x...), fill(curve.Params(), y)...))
		if err != nil {
			t.Fatal(err)
		}
		if ecdsa.VerifyASN1(key, digest, signature) {
			return true
		}
		y.Sub(curve.Params().P, y)
	}
	return false
}

func BenchmarkRecoverKeys(b *testing.B) {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := bytes.Repeat([]byte{1}, 64)
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		recoverKeys(elliptic.P521(), digest, signature)
	}
}

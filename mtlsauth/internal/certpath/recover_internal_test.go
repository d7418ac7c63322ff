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
				keys, ok := recoverKeys(curve, digest, signature)
				if !ok || !slices.Contains(keys, xOf(&key.PublicKey)) {
					t.Fatalf("the signer is not among %x, %v", keys, ok)
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
				if keys, _ := recoverKeys(curve, digest, signature); slices.Contains(keys, xOf(&key.PublicKey)) {
					t.Error("another digest gives the same key")
				}
				// No key verifies these.
				pair := func(r, s *big.Int, more ...byte) []byte {
					der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
					if err != nil {
						t.Fatal(err)
					}
					der[1] += byte(len(more))
					return append(der, more...)
				}
				var good struct{ R, S *big.Int }
				if _, err := asn1.Unmarshal(signature, &good); err != nil {
					t.Fatal(err)
				}
				r := good.R
				one, none, n := big.NewInt(1), new(big.Int), curve.Params().N
				for what, broken := range map[string][]byte{
					"nothing": nil, "cut off": signature[:len(signature)-1], "data after it": append(slices.Clone(signature), 0),
					"r of 0": pair(none, one), "s of 0": pair(r, none), "a negative r": pair(big.NewInt(-1), one), "a negative s": pair(r, big.NewInt(-1)),
					"r of n": pair(n, one), "s of n": pair(r, n), "r alone": {0x30, 3, 2, 1, 1}, "three": pair(one, one, 2, 1, 1), "no numbers": {0x30, 4, 5, 0, 5, 0}, "no second": {0x30, 5, 2, 1, 1, 5, 0},
				} {
					if keys, ok := recoverKeys(curve, digest, broken); !ok || keys != nil || ecdsa.VerifyASN1(&key.PublicKey, digest, broken) {
						t.Errorf("%s: got %x, %v", what, keys, ok)
					}
				}
			})
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

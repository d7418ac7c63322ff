package certpath

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	_ "crypto/sha256"
	_ "crypto/sha512"
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
				if !ok || !slices.Contains(keys, encodeKey(&key.PublicKey)) {
					t.Fatalf("the signer is not among %x, %v", keys, ok)
				}
				for _, encoded := range keys {
					recovered, err := ecdsa.ParseUncompressedPublicKey(curve, []byte(encoded))
					if err != nil || !ecdsa.VerifyASN1(recovered, digest, signature) {
						t.Errorf("%x does not verify: %v", encoded, err)
					}
				}
				digest[0] ^= 1
				if keys, _ := recoverKeys(curve, digest, signature); slices.Contains(keys, encodeKey(&key.PublicKey)) {
					t.Error("another digest gives the same key")
				}
				for _, broken := range [][]byte{nil, {}, signature[:len(signature)-1], append(slices.Clone(signature), 0), {0x30, 6, 2, 1, 0, 2, 1, 0}} {
					if keys, ok := recoverKeys(curve, digest, broken); ok || keys != nil {
						t.Errorf("%x: got %x, %v", broken, keys, ok)
					}
				}
			})
		}
	}
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

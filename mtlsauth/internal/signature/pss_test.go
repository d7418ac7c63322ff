package signature_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"mtls-auth/mtlsauth/internal/signature"
)

// pssHashes are the hashes by the last arc below id-sha256's parent, or SHA-1.
var pssHashes = map[crypto.Hash]struct {
	id   []byte
	name string // OpenSSL's
}{
	crypto.SHA1:       {sha1, "sha1"},
	crypto.SHA224:     {nist(4), "sha224"},
	crypto.SHA256:     {nist(1), "sha256"},
	crypto.SHA384:     {nist(2), "sha384"},
	crypto.SHA512:     {nist(3), "sha512"},
	crypto.SHA512_224: {nist(5), "sha512-224"},
	crypto.SHA512_256: {nist(6), "sha512-256"},
	crypto.SHA3_224:   {nist(7), "sha3-224"},
	crypto.SHA3_256:   {nist(8), "sha3-256"},
	crypto.SHA3_384:   {nist(9), "sha3-384"},
	crypto.SHA3_512:   {nist(10), "sha3-512"},
}

func nist(last byte) []byte { return der(6, []byte{0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, last}) }

// pssIdentifier is the AlgorithmIdentifier of RSASSA-PSS.
func pssIdentifier(t testing.TB, hashed, masked crypto.Hash, length int) []byte {
	t.Helper()
	number, err := asn1.Marshal(length)
	if err != nil {
		t.Fatal(err)
	}
	return der(0x30, pss, der(0x30, hash(pssHashes[hashed].id, null), mask(pssHashes[masked].id, null), der(0xa2, number)))
}

// signPSS is RSASSA-PSS-SIGN (RFC 8017, section 8.1.1) with any two hashes and any
// length of salt.
func signPSS(t testing.TB, key *rsa.PrivateKey, hashed, masked crypto.Hash, length int, message []byte) []byte {
	t.Helper()
	bits := key.N.BitLen() - 1
	size := (bits + 7) / 8
	salt := make([]byte, length)
	rand.Read(salt)
	h := digestOf(hashed, make([]byte, 8), digestOf(hashed, message), salt)
	db := make([]byte, size-len(h)-1)
	copy(db[len(db)-length:], salt)
	db[len(db)-length-1] = 1
	var keyStream []byte
	for counter := uint32(0); len(keyStream) < len(db); counter++ {
		keyStream = append(keyStream, digestOf(masked, h, binary.BigEndian.AppendUint32(nil, counter))...)
	}
	for i := range db {
		db[i] ^= keyStream[i]
	}
	db[0] &= 0xff >> (8*size - bits)
	encoded := slices.Concat(db, h, []byte{0xbc})
	s := new(big.Int).Exp(new(big.Int).SetBytes(encoded), key.D, key.N)
	return s.FillBytes(make([]byte, key.Size()))
}

func digestOf(hash crypto.Hash, parts ...[]byte) []byte {
	h := hash.New()
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}

func TestPSS(t *testing.T) {
	keys := []*rsa.PrivateKey{rsaKey(t, 2048), rsaKey(t, 1025)} // the encoded message is a byte shorter than the modulus, in the second
	message := []byte("message")
	for hashed := range pssHashes {
		for _, masked := range []crypto.Hash{hashed, crypto.SHA1, crypto.SHA384} {
			for _, key := range keys {
				longest := (key.N.BitLen()+6)/8 - hashed.Size() - 2
				for _, length := range []int{0, 1, 20, hashed.Size(), longest - 1, longest} {
					if length > longest || length < 0 {
						continue
					}
					verifyPSS(t, key, hashed, masked, length, message)
				}
			}
		}
	}
	if !testing.Short() {
		for length := range 2048/8 - 32 - 2 + 1 {
			verifyPSS(t, keys[0], crypto.SHA256, crypto.SHA256, length, message)
		}
	}
}

// verifyPSS: the signature is good as what it says it is, and as nothing else.
func verifyPSS(t *testing.T, key *rsa.PrivateKey, hashed, masked crypto.Hash, length int, message []byte) {
	t.Helper()
	name := fmt.Sprintf("%d bits, %v, mask %v, salt %d", key.N.BitLen(), hashed, masked, length)
	sig := signPSS(t, key, hashed, masked, length, message)
	verify := func(hashed, masked crypto.Hash, length int, message, sig []byte) bool {
		a, err := signature.Parse(pssIdentifier(t, hashed, masked, length))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return a.VerifyMessage(&key.PublicKey, message, sig) == nil
	}
	if !verify(hashed, masked, length, message, sig) {
		t.Errorf("%s: it does not verify", name)
	}
	if verify(hashed, masked, length+1, message, sig) || length > 0 && verify(hashed, masked, length-1, message, sig) {
		t.Errorf("%s: it verifies with another length of the salt", name)
	}
	other := crypto.SHA512
	if masked == other {
		other = crypto.SHA256
	}
	if verify(hashed, other, length, message, sig) {
		t.Errorf("%s: it verifies with another mask", name)
	}
	if verify(hashed, masked, length, []byte("another"), sig) {
		t.Errorf("%s: it verifies for another message", name)
	}
	for i := range 3 {
		flipped := bytes.Clone(sig)
		flipped[i*(len(sig)-1)/2] ^= 1
		if verify(hashed, masked, length, message, flipped) {
			t.Errorf("%s: it verifies with a bit flipped", name)
		}
	}
	longer := new(big.Int).Add(new(big.Int).SetBytes(sig), key.N).Bytes()
	if verify(hashed, masked, length, message, longer) || verify(hashed, masked, length, message, append([]byte{0}, sig...)) {
		t.Errorf("%s: it verifies in another length", name)
	}
}

// TestPSSAgainstOpenSSL verifies what OpenSSL signs, so that signPSS and the
// verifier do not share a mistake.
func TestPSSAgainstOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("ORACLE NOT RUN: openssl is not installed, so RSASSA-PSS is verified without its signatures")
	}
	dir := t.TempDir()
	keyFile, message := filepath.Join(dir, "key"), filepath.Join(dir, "message")
	key := rsaKey(t, 2048)
	if err := os.WriteFile(keyFile, privatePEM(t, key), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(message, []byte("message"), 0o600); err != nil {
		t.Fatal(err)
	}
	for hashed, h := range pssHashes {
		for _, masked := range []crypto.Hash{hashed, crypto.SHA1} {
			for _, length := range []int{0, 32, 190} {
				if length > 256-hashed.Size()-2 {
					continue
				}
				sig, err := exec.Command("openssl", "dgst", "-"+h.name, "-sign", keyFile, "-sigopt", "rsa_padding_mode:pss",
					"-sigopt", fmt.Sprint("rsa_pss_saltlen:", length), "-sigopt", "rsa_mgf1_md:"+pssHashes[masked].name, message).Output()
				if err != nil {
					t.Fatal(err)
				}
				a, err := signature.Parse(pssIdentifier(t, hashed, masked, length))
				if err != nil || a.VerifyMessage(&key.PublicKey, []byte("message"), sig) != nil {
					t.Errorf("%v, mask %v, salt %d: %v", hashed, masked, length, err)
				}
			}
		}
	}
}

// TestPSSKeys: a key for RSASSA-PSS verifies nothing else, and what its parameters
// ask for (RFC 4055, section 3.3).
func TestPSSKeys(t *testing.T) {
	private := rsaKey(t, 2048)
	bits := rsaBits(t, private.PublicKey)
	parse := func(algorithm []byte) crypto.PublicKey {
		key, ok := signature.ParseKey(sequenceOf(t, algorithm, bits))
		if _, isPSS := key.(*signature.PSSKey); !ok || !isPSS {
			t.Fatalf("got %T", key)
		}
		if err := signature.CheckKey(key, 0); err != nil {
			t.Error(err)
		}
		return key
	}
	free, asked := parse(der(0x30, pss)), parse(pssIdentifier(t, crypto.SHA256, crypto.SHA256, 32))
	for _, c := range []struct {
		hashed, masked crypto.Hash
		length         int
		asked          bool
	}{
		{crypto.SHA256, crypto.SHA256, 32, true},
		{crypto.SHA256, crypto.SHA256, 33, true},
		{crypto.SHA256, crypto.SHA256, 31, false},
		{crypto.SHA384, crypto.SHA256, 48, false},
		{crypto.SHA256, crypto.SHA384, 32, false},
	} {
		a, err := signature.Parse(pssIdentifier(t, c.hashed, c.masked, c.length))
		if err != nil {
			t.Fatal(err)
		}
		sig := signPSS(t, private, c.hashed, c.masked, c.length, []byte("message"))
		if a.VerifyMessage(free, []byte("message"), sig) != nil || (a.VerifyMessage(asked, []byte("message"), sig) == nil) != c.asked {
			t.Errorf("%+v: another verdict", c)
		}
	}
	pkcs1v15, err := rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digestOf(crypto.SHA256, []byte("message")))
	if err != nil {
		t.Fatal(err)
	}
	a, err := signature.Parse(der(0x30, pkcs1(11), null))
	if err != nil || a.VerifyMessage(&private.PublicKey, []byte("message"), pkcs1v15) != nil {
		t.Fatal(err)
	}
	if a.VerifyMessage(free, []byte("message"), pkcs1v15) == nil {
		t.Error("a key for RSASSA-PSS verifies PKCS #1 v1.5")
	}
}

package signature_test

import (
	"crypto"
	"errors"
	"slices"
	"testing"

	"mtls-auth/mtlsauth/internal/signature"
)

// der makes a DER element of up to 127 bytes of content.
func der(tag byte, content ...[]byte) []byte {
	all := slices.Concat(content...)
	return append([]byte{tag, byte(len(all))}, all...)
}

var (
	null   = []byte{5, 0}
	sha1   = der(6, []byte{0x2b, 0x0e, 3, 2, 0x1a})
	sha256 = der(6, []byte{0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1})
	sha384 = der(6, []byte{0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2})
	mgf1   = pkcs1(8)
	pss    = pkcs1(10)
)

func pkcs1(last byte) []byte   { return der(6, []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, last}) }
func number(n byte) []byte     { return der(2, []byte{n}) }
func hash(id ...[]byte) []byte { return der(0xa0, der(0x30, id...)) }
func mask(id ...[]byte) []byte { return der(0xa1, der(0x30, mgf1, der(0x30, id...))) }
func salt(n byte) []byte       { return der(0xa2, number(n)) }
func trailer(n byte) []byte    { return der(0xa3, number(n)) }

func TestParse(t *testing.T) {
	ecdsaSHA256 := der(6, []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2})
	ed25519 := der(6, []byte{0x2b, 0x65, 0x70})
	one := der(0x30, pkcs1(11), null)
	for _, c := range []struct {
		name string
		der  []byte
		want string // empty: refused
	}{
		{"RSA", one, "RSA with SHA-256"},
		{"RSA without parameters", der(0x30, pkcs1(11)), "RSA with SHA-256"},
		{"RSA with a number", der(0x30, pkcs1(11), number(1)), "RSA with SHA-256"},
		{"RSA with NULL twice", der(0x30, pkcs1(11), null, null), ""},
		{"RSA with NULL that has content", der(0x30, pkcs1(11), []byte{5, 1, 0}), "RSA with SHA-256"},
		{"RSA key identifier", der(0x30, pkcs1(1), null), ""},
		{"MD2", der(0x30, pkcs1(2), null), ""},
		{"MD5", der(0x30, pkcs1(4), null), "RSA with MD5"},
		{"SHA-224", der(0x30, pkcs1(14), null), "RSA with SHA-224"},
		{"ECDSA", der(0x30, ecdsaSHA256), "ECDSA with SHA-256"},
		{"ECDSA with NULL", der(0x30, ecdsaSHA256, null), "ECDSA with SHA-256"},
		{"Ed25519", der(0x30, ed25519), "Ed25519"},
		{"Ed25519 with NULL", der(0x30, ed25519, null), ""},
		{"DSA", der(0x30, der(6, []byte{0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 2})), ""},

		{"nothing", nil, ""},
		{"empty", der(0x30), ""},
		{"empty identifier", der(0x30, der(6)), ""},
		{"a set", der(0x31, pkcs1(11), null), ""},
		{"no identifier", der(0x30, null), ""},
		{"something after", slices.Concat(one, null), ""},
		{"cut short", one[:len(one)-1], ""},
		{"a long identifier", der(0x30, der(6, make([]byte, 100))), ""},

		{"PSS", der(0x30, pss, der(0x30, hash(sha256, null), mask(sha256, null), salt(32))), "RSA-PSS with SHA-256"},
		{"PSS without NULL", der(0x30, pss, der(0x30, hash(sha256), mask(sha256), salt(32))), "RSA-PSS with SHA-256"},
		{"PSS without NULL in the hash", der(0x30, pss, der(0x30, hash(sha256), mask(sha256, null), salt(32))), "RSA-PSS with SHA-256"},
		{"PSS without NULL in the mask", der(0x30, pss, der(0x30, hash(sha256, null), mask(sha256), salt(32))), "RSA-PSS with SHA-256"},
		{"PSS with trailer field", der(0x30, pss, der(0x30, hash(sha256, null), mask(sha256, null), salt(32), trailer(1))), "RSA-PSS with SHA-256"},
		{"PSS with SHA-384", der(0x30, pss, der(0x30, hash(sha384, null), mask(sha384, null), salt(48))), "RSA-PSS with SHA-384"},
		{"PSS with another trailer field", der(0x30, pss, der(0x30, hash(sha256, null), mask(sha256, null), salt(32), trailer(2))), ""},
		{"PSS without parameters: SHA-1", der(0x30, pss), ""},
		{"PSS with NULL", der(0x30, pss, null), ""},
		{"PSS with no parameter: SHA-1", der(0x30, pss, der(0x30)), "RSA-PSS with SHA-1"},
		{"PSS with SHA-1", der(0x30, pss, der(0x30, hash(sha1, null), mask(sha1, null), salt(20))), "RSA-PSS with SHA-1"},
		{"PSS with a mask of another hash", der(0x30, pss, der(0x30, hash(sha256, null), mask(sha384, null), salt(32))), "RSA-PSS with SHA-256"},
		{"PSS with a mask of SHA-1", der(0x30, pss, der(0x30, hash(sha256, null), mask(sha1, null), salt(32))), "RSA-PSS with SHA-256"},
		{"PSS with a mask left out: SHA-1", der(0x30, pss, der(0x30, hash(sha256, null), salt(32))), "RSA-PSS with SHA-256"},
		{"PSS with a short salt", der(0x30, pss, der(0x30, hash(sha256, null), mask(sha256, null), salt(20))), "RSA-PSS with SHA-256"},
		{"PSS without salt", der(0x30, pss, der(0x30, hash(sha256, null), mask(sha256, null), salt(0))), "RSA-PSS with SHA-256"},
		{"PSS with salt left out: 20", der(0x30, pss, der(0x30, hash(sha256, null), mask(sha256, null))), "RSA-PSS with SHA-256"},
		{"PSS and something after", der(0x30, pss, der(0x30, hash(sha256, null), mask(sha256, null), salt(32)), null), ""},
	} {
		got, err := signature.Parse(c.der)
		if c.want == "" {
			if !errors.Is(err, signature.ErrUnsupported) || got != (signature.Algorithm{}) {
				t.Errorf("%s: got %v, %v, want ErrUnsupported", c.name, got, err)
			}
			continue
		}
		if err != nil || got.String() != c.want {
			t.Errorf("%s: got %v, %v, want %s", c.name, got, err, c.want)
		}
	}
}

// TestInsecureHashes: MD5 and SHA-1 are known and insecure.
func TestInsecureHashes(t *testing.T) {
	for last, want := range map[byte]crypto.Hash{4: crypto.MD5, 5: crypto.SHA1, 11: crypto.SHA256, 12: crypto.SHA384, 13: crypto.SHA512} {
		a, err := signature.Parse(der(0x30, pkcs1(last), null))
		if err != nil || a.Hash() != want || a.Insecure() != (want == crypto.SHA1 || want == crypto.MD5) {
			t.Errorf("%d: got %v, insecure %v, %v", last, a, a.Insecure(), err)
		}
	}
}
